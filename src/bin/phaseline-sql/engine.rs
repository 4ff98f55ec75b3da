//! The engine over the tables at the inputs of a step.

use std::sync::Arc;

use datafusion::execution::SessionStateBuilder;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{DataFrame, ParquetReadOptions, SQLOptions, SessionConfig, SessionContext};
use phaseline::id::InputName;
use phaseline::step::{StepContext, StepError};
use phaseline::table::BATCH_ROWS;

use crate::failure::{failure, unplanned};
use crate::statement;

/// What operators may hold in memory when the step says nothing, else half of what it may use: reading and writing come
/// on top.
const DEFAULT_MEMORY: u64 = 1 << 30;

/// A session that knows each input of a step as a table.
pub(crate) struct Engine {
    session: SessionContext,
    tables: Vec<InputName>,
}

impl Engine {
    /// The engine of a step.
    ///
    /// # Errors
    /// An input cannot be read.
    pub(crate) async fn open(context: &StepContext) -> Result<Engine, StepError> {
        let session = session(context)?;
        let bound = context.surroundings().inputs.iter().filter(|(_, artifacts)| !artifacts.is_empty());
        let tables: Vec<InputName> = bound.map(|(name, _)| name.clone()).collect();
        for name in &tables {
            let path = context.path(&context.input(name.as_str())?.artifact)?;
            let path = path.to_str().ok_or_else(|| StepError::bug("the artifact store's path is not UTF-8"))?;
            let options = ParquetReadOptions::default().file_extension("");
            session.register_parquet(name.as_str(), path, options).await.map_err(failure)?;
        }
        Ok(Engine { session, tables })
    }

    /// The names of the tables.
    pub(crate) fn tables(&self) -> &[InputName] {
        &self.tables
    }

    /// A query, planned and not yet carried out.
    ///
    /// # Errors
    /// The text is no single query over the tables.
    pub(crate) async fn plan(&self, text: &str) -> Result<DataFrame, StepError> {
        let statement = statement::parse(text)?;
        let state = self.session.state();
        let allowed = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        let planned = state.statement_to_plan(statement).await;
        let planned = planned.and_then(|plan| allowed.verify_plan(&plan).map(|()| plan));
        planned.map(|plan| DataFrame::new(state, plan)).map_err(|error| unplanned(error, &self.tables))
    }
}

fn session(context: &StepContext) -> Result<SessionContext, StepError> {
    let surroundings = context.surroundings();
    let memory = surroundings.memory_bytes.map_or(DEFAULT_MEMORY, |bytes| bytes / 2);
    let spill = DiskManagerMode::Directories(vec![surroundings.scratch.clone()]);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(usize::try_from(memory).unwrap_or(usize::MAX))))
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(spill))
        .build_arc()
        .map_err(failure)?;
    let mut config = SessionConfig::new().with_target_partitions(1).with_batch_size(BATCH_ROWS);
    // People write columns as they are named; `TotalCharges` is not `totalcharges`.
    config.options_mut().sql_parser.enable_ident_normalization = false;
    config.options_mut().execution.parquet.schema_force_view_types = false;
    let state =
        SessionStateBuilder::new().with_config(config).with_runtime_env(runtime).with_default_features().build();
    Ok(SessionContext::new_with_state(state))
}
