//! The routes of the API, asked over HTTP.

mod reads;
mod server;
mod streams;
mod writes;
