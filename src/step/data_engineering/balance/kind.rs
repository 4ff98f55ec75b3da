//! What all kinds of balancing have in common, written once.

/// Declares a kind of step that balances classes by a [`crate::ml::resample::Method`]. The params are those that all
/// kinds have, and those of the method.
macro_rules! balance_kind {
    (
        $(#[doc = $doc:literal])+
        $module:ident::$kind:ident $name:literal, $summary:literal, with $with:literal
        params { $($(#[$meta:meta])* $field:ident: $type:ty,)* }
        seed $seed:expr, categories $categories:expr, method $method:expr
    ) => {
        pub use $module::$kind;

        mod $module {
            use super::*;

            $(#[doc = $doc])+
            #[derive(Debug, Clone, serde::Deserialize, schemars::JsonSchema)]
            #[serde(deny_unknown_fields)]
            pub struct Params {
                /// The column with the classes; by default the one that `feature.pipeline` marked as the target.
                #[serde(default)]
                pub target: Option<String>,
                /// The columns that say where a row is; by default the features, or where none are marked all numbers.
                #[serde(default)]
                pub columns: Option<Vec<String>>,
                /// Which classes are resampled: `auto`, `minority`, `not minority`, `not majority`, `majority`, `all`,
                /// for two classes the number of rows of the rare one for each row of the other, or the number of rows
                /// by class; for methods that only clean a list of classes.
                #[serde(default)]
                pub sampling_strategy: $crate::ml::resample::SamplingStrategy,
                $($(#[$meta])* pub $field: $type,)*
            }

            /// A step that balances classes.
            pub struct $kind {
                balance: $crate::step::data_engineering::balance::run::Balance,
            }

            impl $crate::step::StepKind for $kind {
                const NAME: &'static str = $name;
                const VERSION: u32 = 2;
                const PHASE: $crate::phase::Phase = $crate::phase::Phase::DataEngineering;
                const SUMMARY: &'static str = $summary;
                const EXAMPLE: &'static str =
                    concat!("uses: ", $name, "\ninputs: {train: features.fit}\nwith: ", $with, "\n");
                type Params = Params;

                fn new(params: Params) -> Result<Self, $crate::step::ParamErrors> {
                    let seed: fn(&Params) -> Option<u64> = $seed;
                    let categories: fn(&Params) -> Categories = $categories;
                    let method: fn(&Params) -> Method = $method;
                    let balance = $crate::step::data_engineering::balance::run::Balance {
                        name: $name,
                        seed: seed(&params),
                        categories: categories(&params),
                        method: method(&params),
                        target: params.target,
                        columns: params.columns,
                        strategy: params.sampling_strategy,
                    };
                    balance.check()?;
                    Ok($kind { balance })
                }

                fn ports(&self) -> $crate::step::Ports {
                    self.balance.ports()
                }

                fn run(&self, context: &mut $crate::step::StepContext) -> Result<(), $crate::step::StepError> {
                    self.balance.run(context)
                }
            }
        }
    };
}

pub(super) use balance_kind;
