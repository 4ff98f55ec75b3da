//! Customers of a telephone company: who leaves depends on contract, tenure, connection and how they pay.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::noise::{Noise, cents, logistic, yes_no};

const HEADER: &str = "customerID,gender,SeniorCitizen,Partner,Dependents,tenure,PhoneService,MultipleLines,\
    InternetService,OnlineSecurity,OnlineBackup,DeviceProtection,TechSupport,StreamingTV,StreamingMovies,Contract,\
    PaperlessBilling,PaymentMethod,MonthlyCharges,TotalCharges,Churn";

/// The longest time that anybody has been a customer, in months.
const LONGEST_TENURE: f64 = 72.0;

pub(super) fn csv(rows: usize, noise: &mut Noise) -> String {
    let mut text = format!("{HEADER}\n");
    let mut ids = BTreeSet::new();
    while ids.len() < rows {
        let id = id(noise);
        if ids.insert(id.clone()) {
            let customer = Customer::draw(noise);
            customer.write(&id, noise, &mut text);
        }
    }
    text
}

/// What is decided of a customer before charges and departure follow from it.
#[expect(clippy::struct_excessive_bools, reason = "these are the columns of the data")]
struct Customer {
    is_senior: bool,
    has_partner: bool,
    has_dependents: bool,
    contract: &'static str,
    tenure: f64,
    internet: &'static str,
    has_phone: bool,
    has_lines: bool,
    /// Security, backup, protection, support, television, movies.
    extras: [bool; 6],
    is_paperless: bool,
    payment: &'static str,
}

impl Customer {
    fn draw(noise: &mut Noise) -> Customer {
        let is_senior = noise.happens(0.16);
        let has_partner = noise.happens(0.48);
        let has_dependents = noise.happens(if has_partner { 0.52 } else { 0.09 } * if is_senior { 0.3 } else { 1.0 });
        let contract = noise.pick(&[("Month-to-month", 0.55), ("One year", 0.21), ("Two year", 0.24)]);
        let tenure = match contract {
            "Month-to-month" => -18.5 * (1.0 - noise.uniform()).ln() + 1.0,
            "One year" => noise.normal(42.0, 19.0),
            _ => noise.normal(58.0, 17.0),
        };
        // A few have signed and not yet paid for a month; nobody of them has left.
        let is_new = contract != "Month-to-month" && noise.happens(0.004);
        let tenure = if is_new { 0.0 } else { tenure.floor().clamp(1.0, LONGEST_TENURE) };
        let internet = match contract {
            "Month-to-month" => noise.pick(&[("Fiber optic", 0.55), ("DSL", 0.32), ("No", 0.13)]),
            "One year" => noise.pick(&[("Fiber optic", 0.37), ("DSL", 0.38), ("No", 0.25)]),
            _ => noise.pick(&[("Fiber optic", 0.26), ("DSL", 0.37), ("No", 0.37)]),
        };
        let has_phone = internet != "DSL" || noise.happens(0.72);
        let has_lines = has_phone && noise.happens(0.28 + 0.3 * tenure / LONGEST_TENURE);
        let loyalty = tenure / LONGEST_TENURE;
        let committed = if contract == "Month-to-month" { 0.0 } else { 0.12 };
        let rates = [0.16, 0.24, 0.22, 0.16, 0.38, 0.38];
        let extras = rates.map(|rate| internet != "No" && noise.happens(rate + committed + 0.32 * loyalty));
        let is_paperless = noise.happens(if internet == "Fiber optic" { 0.73 } else { 0.48 });
        let payment = if internet == "Fiber optic" {
            noise.pick(&[("Electronic check", 0.5), ("Mailed check", 0.09), (BANK, 0.21), (CARD, 0.2)])
        } else {
            noise.pick(&[("Electronic check", 0.2), ("Mailed check", 0.35), (BANK, 0.22), (CARD, 0.23)])
        };
        Customer {
            is_senior,
            has_partner,
            has_dependents,
            contract,
            tenure,
            internet,
            has_phone,
            has_lines,
            extras,
            is_paperless,
            payment,
        }
    }

    /// The price of a month, in steps of five cents.
    fn monthly_charge(&self, noise: &mut Noise) -> f64 {
        let base = match (self.internet, self.has_phone) {
            ("Fiber optic", _) => 70.0,
            ("DSL", true) => 45.0,
            ("DSL", false) => 25.0,
            _ => 20.0,
        };
        let lines = if self.has_lines { 5.0 } else { 0.0 };
        let prices = [5.0, 5.0, 5.0, 5.0, 10.0, 10.0];
        let extras: f64 = self.extras.iter().zip(prices).filter(|(has, _)| **has).map(|(_, price)| price).sum();
        let price = base + lines + extras + noise.normal(0.0, 0.8);
        cents((price * 20.0).round() / 20.0)
    }

    /// The probability of leaving within the month.
    fn leaves(&self) -> f64 {
        if self.tenure < 1.0 {
            return 0.0;
        }
        let [security, _, _, support, television, movies] = self.extras;
        let contract = match self.contract {
            "Month-to-month" => 0.6,
            "One year" => -0.35,
            _ => -1.2,
        };
        let internet = match self.internet {
            "Fiber optic" => 0.85,
            "DSL" => 0.0,
            _ => -0.75,
        };
        let term = |applies: bool, weight: f64| if applies { weight } else { 0.0 };
        // The first months are the most dangerous ones, beyond what a straight line in tenure can say.
        let early = 0.9 * (-self.tenure / 5.0).exp();
        let log_odds = -1.15 + contract + internet + early - 0.030 * self.tenure
            + term(self.payment == "Electronic check", 0.42)
            + term(self.is_paperless, 0.33)
            + term(self.is_senior, 0.25)
            + term(self.has_dependents, -0.2)
            + term(security, -0.42)
            + term(support, -0.4)
            + term(television, 0.2)
            + term(movies, 0.2);
        logistic(log_odds)
    }

    fn write(&self, id: &str, noise: &mut Noise, text: &mut String) {
        let gender = noise.pick(&[("Female", 0.495), ("Male", 0.505)]);
        let monthly = self.monthly_charge(noise);
        let total = match self.tenure {
            // The export writes a blank where nothing was charged yet.
            months if months < 1.0 => " ".to_owned(),
            months if months < 2.0 => monthly.to_string(),
            months => cents(monthly * months * (1.0 + noise.normal(0.0, 0.03))).to_string(),
        };
        let churn = noise.happens(self.leaves());
        let lines = if self.has_phone { yes_no(self.has_lines) } else { "No phone service" };
        let extras = self.extras.map(|has| if self.internet == "No" { "No internet service" } else { yes_no(has) });
        writeln!(
            text,
            "{id},{gender},{},{},{},{},{},{lines},{},{},{},{},{},{monthly},{total},{}",
            u8::from(self.is_senior),
            yes_no(self.has_partner),
            yes_no(self.has_dependents),
            self.tenure,
            yes_no(self.has_phone),
            self.internet,
            extras.join(","),
            self.contract,
            yes_no(self.is_paperless),
            self.payment,
            yes_no(churn),
        )
        .expect("a text grows without failing");
    }
}

const BANK: &str = "Bank transfer (automatic)";
const CARD: &str = "Credit card (automatic)";

fn id(noise: &mut Noise) -> String {
    let letters: String = (0..5).map(|_| char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"[noise.index(26)])).collect();
    format!("{:04}-{letters}", noise.index(10_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(text: &str, name: &str) -> Vec<String> {
        let position = HEADER.split(',').position(|column| column == name).unwrap();
        text.lines().skip(1).map(|line| line.split(',').nth(position).unwrap().to_owned()).collect()
    }

    #[test]
    fn every_row_has_every_column() {
        let text = csv(500, &mut Noise::new(3));
        assert_eq!(text.lines().count(), 501);
        assert!(text.lines().all(|line| line.split(',').count() == 21));
    }

    #[test]
    fn a_customer_without_a_paid_month_has_a_blank_total_and_stays() {
        let text = csv(3000, &mut Noise::new(3));
        let totals = column(&text, "TotalCharges");
        let mut blanks = 0;
        for ((tenure, total), churn) in column(&text, "tenure").iter().zip(&totals).zip(column(&text, "Churn")) {
            assert_eq!(tenure == "0", total == " ");
            if total == " " {
                blanks += 1;
                assert_eq!(churn, "No");
            }
        }
        assert!(blanks > 0);
    }

    #[test]
    fn about_a_quarter_leaves() {
        let churn = column(&csv(4000, &mut Noise::new(3)), "Churn");
        let share = churn.iter().filter(|value| *value == "Yes").count() as f64 / 4000.0;
        assert!((0.23..0.31).contains(&share), "{share}");
    }
}
