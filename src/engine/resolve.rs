//! What is to become of steps whose inputs are known: reuse a result, or run, and why.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::cache_key::{Keyed, cache_key, explain, key_of};
use super::files::FileDigests;
use super::{CacheIndex, CacheKey, CachedResult, EngineError, InputBinding, KeyParts};
use crate::artifact::{ArtifactRef, ArtifactStore};
use crate::id::{OutputName, StepName};
use crate::plan::{Binding, CachePolicy, Plan};
use crate::step::former_input;

/// A step with everything that is bound to its inputs.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) step: usize,
    pub(super) inputs: Vec<InputBinding>,
    /// Whether it was asked to run whatever is known.
    pub(super) anew: bool,
}

/// What is to become of a step.
#[derive(Debug, Clone)]
pub(super) struct Resolved {
    pub(super) step: usize,
    pub(super) inputs: Vec<InputBinding>,
    pub(super) parts: KeyParts,
    pub(super) key: Option<CacheKey>,
    pub(super) fate: Fate,
}

#[derive(Debug, Clone)]
pub(super) enum Fate {
    Reuse(CachedResult),
    Run { why: String },
}

/// Answers for one plan. Asks the database little: results under the keys of the last run are fetched at once.
pub(super) struct Resolver {
    plan: Arc<Plan>,
    cache: Arc<dyn CacheIndex>,
    artifacts: ArtifactStore,
    files: Arc<Mutex<FileDigests>>,
    last_parts: BTreeMap<StepName, KeyParts>,
    known: BTreeMap<CacheKey, CachedResult>,
}

impl Resolver {
    pub(super) async fn new(
        plan: Arc<Plan>,
        cache: Arc<dyn CacheIndex>,
        artifacts: ArtifactStore,
        files: Arc<Mutex<FileDigests>>,
    ) -> Result<Resolver, EngineError> {
        let last_parts: BTreeMap<StepName, KeyParts> = cache.last_parts(&plan.pipeline).await?.into_iter().collect();
        let keys: Vec<CacheKey> = last_parts.values().map(key_of).collect();
        let known = if keys.is_empty() { Vec::new() } else { cache.lookup(&keys).await? };
        Ok(Resolver { plan, cache, artifacts, files, last_parts, known: known.into_iter().collect() })
    }

    /// What is to become of each step.
    pub(super) async fn resolve(&mut self, mut questions: Vec<Question>) -> Result<Vec<Resolved>, EngineError> {
        for question in &mut questions {
            let former = self.former(question).await?;
            question.inputs.extend(former);
        }
        let keyed = self.keys(questions).await;
        let wanted: Vec<CacheKey> = keyed
            .iter()
            .filter(|(question, _)| self.may_reuse(question))
            .filter_map(|(_, keyed)| keyed.key.as_ref().ok())
            .filter(|key| !self.known.contains_key(key))
            .copied()
            .collect();
        if !wanted.is_empty() {
            self.known.extend(self.cache.lookup(&wanted).await?);
        }
        let mut resolved = Vec::with_capacity(keyed.len());
        for (question, keyed) in keyed {
            let fate = self.fate(&question, &keyed).await?;
            let Keyed { parts, key } = keyed;
            resolved.push(Resolved { step: question.step, inputs: question.inputs, parts, key: key.ok(), fate });
        }
        Ok(resolved)
    }

    /// What a step gets back from the last run that succeeded: all that it asks for, or nothing. A step that is asked to run
    /// anew begins at the beginning.
    async fn former(&self, question: &Question) -> Result<Vec<InputBinding>, EngineError> {
        let step = &self.plan.steps[question.step];
        if step.former.is_empty() || question.anew {
            return Ok(Vec::new());
        }
        let made: BTreeMap<OutputName, ArtifactRef> =
            self.cache.former(&self.plan.pipeline, &step.name).await?.into_iter().collect();
        let mut bindings = Vec::with_capacity(step.former.len());
        for output in &step.former {
            let Some(artifact) = made.get(output) else { return Ok(Vec::new()) };
            if let Err(error) = self.artifacts.path(artifact) {
                tracing::warn!(step = %step.name, %error, "`{output}` of the last run is gone, so the step begins anew");
                return Ok(Vec::new());
            }
            bindings.push(InputBinding {
                input: former_input(output.as_str()).parse().expect("an output's name makes an input's"),
                source: Binding { step: step.name.clone(), output: output.clone() },
                artifact: artifact.clone(),
            });
        }
        Ok(bindings)
    }

    fn may_reuse(&self, question: &Question) -> bool {
        !question.anew && self.plan.steps[question.step].cache == CachePolicy::Reuse
    }

    async fn fate(&mut self, question: &Question, keyed: &Keyed) -> Result<Fate, EngineError> {
        let step = &self.plan.steps[question.step];
        let key = match &keyed.key {
            Ok(key) => *key,
            Err(obstacle) => return Ok(Fate::Run { why: obstacle.to_string() }),
        };
        if question.anew {
            return Ok(Fate::Run { why: "asked to run anew".to_owned() });
        }
        if step.cache == CachePolicy::Refresh {
            return Ok(Fate::Run { why: "its cache policy is `refresh`".to_owned() });
        }
        if let Some(cached) = self.known.get(&key) {
            match self.damage(cached) {
                None => return Ok(Fate::Reuse(cached.clone())),
                Some(why) => {
                    self.forget(key).await?;
                    return Ok(Fate::Run { why });
                }
            }
        }
        Ok(Fate::Run { why: explain(self.last_parts.get(&step.name), &keyed.parts) })
    }

    /// Drops an entry whose artifacts are gone.
    pub(super) async fn forget(&mut self, key: CacheKey) -> Result<(), EngineError> {
        self.known.remove(&key);
        self.cache.forget(key).await
    }

    /// What is wrong with the artifacts of a result, by a cheap look at each.
    fn damage(&self, cached: &CachedResult) -> Option<String> {
        cached.outcome.outputs.iter().find_map(|(output, artifact)| {
            let error = self.artifacts.path(artifact).err()?;
            Some(format!("its output `{output}` cannot be reused: {error}"))
        })
    }

    /// Reading files may take long, so it happens where it holds nobody up.
    async fn keys(&self, questions: Vec<Question>) -> Vec<(Question, Keyed)> {
        let reads_files = questions.iter().any(|question| !self.plan.steps[question.step].files.is_empty());
        let plan = Arc::clone(&self.plan);
        let files = Arc::clone(&self.files);
        let work = move || {
            let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
            let keyed = questions
                .into_iter()
                .map(|question| {
                    let keyed = cache_key(&plan, &plan.steps[question.step], &question.inputs, &mut files);
                    (question, keyed)
                })
                .collect();
            files.save();
            keyed
        };
        if reads_files {
            tokio::task::spawn_blocking(work).await.expect("digesting files does not panic")
        } else {
            work()
        }
    }
}
