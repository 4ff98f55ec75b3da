//! Customers and orders of a shop as plain SQL, which Postgres, MySQL and SQLite all take.

use std::fmt::Write;

use chrono::{Days, NaiveDate};

use super::noise::{Noise, logistic};

/// Rows per `INSERT`, so that no statement grows beyond what a database takes.
const ROWS_PER_INSERT: usize = 200;

/// The days that the orders span.
const DAYS: usize = 365;

const TABLES: &str = "\
-- Invented customers of a shop, their orders of one year, and who ordered again within the following 60 days.
DROP TABLE IF EXISTS shop_orders;
DROP TABLE IF EXISTS shop_customers;
CREATE TABLE shop_customers (
    customer_id INTEGER PRIMARY KEY,
    country VARCHAR(2) NOT NULL,
    channel VARCHAR(16) NOT NULL,
    birth_year INTEGER,
    newsletter BOOLEAN NOT NULL,
    ordered_again INTEGER NOT NULL
);
CREATE TABLE shop_orders (
    order_id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES shop_customers (customer_id),
    ordered_on DATE NOT NULL,
    amount DOUBLE PRECISION NOT NULL,
    items INTEGER NOT NULL,
    returned BOOLEAN NOT NULL
);
";

pub(super) fn sql(customers: usize, noise: &mut Noise) -> String {
    let first_day = NaiveDate::from_ymd_opt(2025, 1, 1).expect("the day exists");
    let (mut customer_rows, mut order_rows) = (Vec::new(), Vec::new());
    for customer in 1..=customers {
        let country = noise.pick(&[("CH", 0.4), ("DE", 0.3), ("AT", 0.2), ("FR", 0.1)]);
        let channel = noise.pick(&[("search", 0.4), ("friend", 0.2), ("advert", 0.3), ("store", 0.1)]);
        let birth_year = if noise.happens(0.05) {
            "NULL".to_owned()
        } else {
            noise.normal(1983.0, 13.0).clamp(1935.0, 2007.0).round().to_string()
        };
        let newsletter = noise.happens(if channel == "friend" { 0.6 } else { 0.35 });
        let habit = noise.normal(0.0, 0.7) + if newsletter { 0.3 } else { 0.0 };
        let count = (3.2 * habit.exp() + noise.uniform()).floor().clamp(1.0, 30.0);
        let (mut last_day, mut returns) = (0, 0.0);
        let mut order = 0.0;
        while order < count {
            let day = noise.index(DAYS);
            let items = (1.0 - 1.6 * (1.0 - noise.uniform()).ln()).floor().clamp(1.0, 12.0);
            let amount = items * noise.normal(3.1, 0.5).exp();
            let is_returned = noise.happens(if channel == "advert" { 0.22 } else { 0.1 });
            returns += f64::from(is_returned);
            last_day = last_day.max(day);
            let date = first_day
                .checked_add_days(Days::new(day as u64))
                .expect("a year after the first day is within the calendar");
            let id = order_rows.len() + 1;
            order_rows.push(format!("({id}, {customer}, '{date}', {amount:.2}, {items}, {is_returned})"));
            order += 1.0;
        }
        let log_odds = -0.3 + 0.30 * (count - 3.0) - 0.011 * (DAYS - last_day) as f64 - 1.1 * returns / count
            + if newsletter { 0.7 } else { 0.0 };
        let again = u8::from(noise.happens(logistic(log_odds)));
        customer_rows.push(format!("({customer}, '{country}', '{channel}', {birth_year}, {newsletter}, {again})"));
    }
    let mut text = TABLES.to_owned();
    insert(&mut text, "shop_customers", &customer_rows);
    insert(&mut text, "shop_orders", &order_rows);
    text
}

fn insert(text: &mut String, table: &str, rows: &[String]) {
    for chunk in rows.chunks(ROWS_PER_INSERT) {
        writeln!(text, "INSERT INTO {table} VALUES\n{};", chunk.join(",\n")).expect("a text grows without failing");
    }
}
