//! Sample data for `phaseline init` and the shipped pipelines: invented rows from seeded generative models.
//!
//! Main type: [`Sample`]. No row describes a real person or house: each file is a function of its seed and row count, so
//! `pipelines/data/` can be compared with what this module makes, byte by byte.

mod customers;
mod housing;
mod noise;
mod shop;
mod wine;

use noise::Noise;

/// One file of sample data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// Customers of a telephone company, some of whom leave; the columns are those of the public Telco churn data.
    Customers,
    /// Flats with their features and what they sold for.
    Housing,
    /// Chemical measurements of wines of three growers.
    Wine,
    /// Customers and orders of a shop, as SQL that fills two tables.
    Shop,
}

impl Sample {
    /// Every sample.
    pub const ALL: [Sample; 4] = [Self::Customers, Self::Housing, Self::Wine, Self::Shop];

    /// The name of the file in a `data` folder.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Customers => "customers.csv",
            Self::Housing => "housing.csv",
            Self::Wine => "wine.csv",
            Self::Shop => "shop.sql",
        }
    }

    /// How many rows the shipped file has.
    pub fn shipped_rows(self) -> usize {
        match self {
            Self::Customers => 4500,
            Self::Housing => 2000,
            Self::Wine => 900,
            Self::Shop => 600,
        }
    }

    /// The file's text with the given number of rows (of customers, for the shop).
    pub fn text(self, rows: usize, seed: u64) -> String {
        let mut noise = Noise::new(seed);
        match self {
            Self::Customers => customers::csv(rows, &mut noise),
            Self::Housing => housing::csv(rows, &mut noise),
            Self::Wine => wine::csv(rows, &mut noise),
            Self::Shop => shop::sql(rows, &mut noise),
        }
    }

    /// The text of the shipped file.
    pub fn shipped(self) -> String {
        self.text(self.shipped_rows(), 7)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Set `PHASELINE_UPDATE=1` to write the files instead of comparing them.
    #[test]
    fn the_shipped_files_are_what_the_generators_make() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/data");
        for sample in Sample::ALL {
            let path = folder.join(sample.file_name());
            let made = sample.shipped();
            if std::env::var_os("PHASELINE_UPDATE").is_some() {
                std::fs::write(&path, &made).unwrap();
            }
            let found = std::fs::read_to_string(&path).unwrap();
            assert!(found == made, "{} is stale: run this test with PHASELINE_UPDATE=1", path.display());
        }
    }

    #[test]
    fn the_shipped_files_are_small_enough_for_a_repository() {
        for sample in Sample::ALL {
            let bytes = sample.shipped().len();
            assert!(bytes < 700_000, "{} has {bytes} bytes", sample.file_name());
        }
    }

    #[test]
    fn a_sample_depends_on_its_seed_alone() {
        for sample in Sample::ALL {
            assert_eq!(sample.text(50, 1), sample.text(50, 1));
            assert_ne!(sample.text(50, 1), sample.text(50, 2));
        }
    }
}
