//! The API's door: who gets in, who is cut off, and what is remembered. Asked over real sockets.

mod abuse;
mod matrix;
mod memory;
mod server;
mod tls;
