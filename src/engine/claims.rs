//! One claim on the slots as a pure function: from rows to answers and to the rows that they make.

use std::collections::BTreeMap;

use super::admit::{Asked, admit};
use super::{Answer, CacheKey, Limits, Short, Slot, Wait, Waiting, Want};
use crate::id::{AttemptId, RunId};

/// What is on record when a run asks.
#[derive(Debug, Default)]
pub struct Claiming {
    /// All slots that count.
    pub taken: Vec<Slot>,
    /// All steps that wait in runs that are driven, those of the asking run included.
    pub waiting: Vec<Waiting>,
    /// Who computes which of the keys that are asked for.
    pub reserved: BTreeMap<CacheKey, (RunId, AttemptId)>,
    /// The priority of the asking run.
    pub priority: i64,
    /// The time by the clock of the database, in milliseconds since 1970.
    pub now_ms: i64,
}

/// What comes of it.
#[derive(Debug)]
pub struct Claims {
    /// The answers, in the order of the wants.
    pub answers: Vec<Answer>,
    /// Slots that are to be recorded.
    pub granted: Vec<Slot>,
    /// Keys that are to be reserved.
    pub reserve: Vec<(CacheKey, AttemptId)>,
    /// The steps that wait, with why: the record of the run's waits is to be just these.
    pub waits: Vec<(Waiting, Wait)>,
}

impl Claiming {
    /// Answers what `run` asks for.
    pub fn answer(mut self, run: RunId, wants: &[Want], limits: &Limits) -> Claims {
        let since: BTreeMap<_, _> =
            self.waiting.iter().filter(|it| it.run == run).map(|it| (it.step.clone(), it.since_ms)).collect();
        self.waiting.retain(|it| it.run != run);
        let mut answers: Vec<Option<Answer>> = vec![None; wants.len()];
        let mut first: BTreeMap<CacheKey, &Want> = BTreeMap::new();
        let mut asking = Vec::new();
        let mut places = Vec::new();
        for (place, want) in wants.iter().enumerate() {
            // An answer may have been lost on its way: what is ours already is not taken twice.
            if let Some(slot) = self.taken.iter().find(|slot| slot.attempt == want.attempt) {
                answers[place] = Some(Answer::Granted { gpu: slot.gpu });
                continue;
            }
            let result = |because| Some(Answer::Wait(Wait { short: Short::Result, because }));
            if let Some(key) = want.key {
                if let Some((holder, attempt)) = self.reserved.get(&key)
                    && *attempt != want.attempt
                {
                    answers[place] = result(format!("{holder} computes the same"));
                    continue;
                }
                if let Some(same) = first.get(&key) {
                    answers[place] = result(format!("step `{}` computes the same", same.step));
                    continue;
                }
                first.insert(key, want);
            }
            places.push(place);
            asking.push(self.waiting(run, want, &since, limits));
        }
        let admitted = admit(self.now_ms, limits, &self.taken, &self.waiting, &asking);
        for (place, answer) in places.into_iter().zip(admitted) {
            answers[place] = Some(answer);
        }
        let answers: Vec<Answer> = answers.into_iter().flatten().collect();
        let mut claims = Claims { answers: Vec::new(), granted: Vec::new(), reserve: Vec::new(), waits: Vec::new() };
        for (want, answer) in wants.iter().zip(&answers) {
            match answer {
                Answer::Granted { gpu } => {
                    claims.granted.push(Slot {
                        attempt: want.attempt,
                        run,
                        step: want.step.clone(),
                        host: limits.host.clone(),
                        take: want.take.clone(),
                        gpu: *gpu,
                    });
                    claims.reserve.extend(want.key.map(|key| (key, want.attempt)));
                }
                Answer::Wait(wait) => {
                    let mut waiting = self.waiting(run, want, &since, limits);
                    let asked = Asked { short: wait.short, cpu_limit: limits.cpus, memory_limit: limits.memory_bytes };
                    waiting.asked = Some(asked);
                    claims.waits.push((waiting, wait.clone()));
                }
            }
        }
        claims.answers = answers;
        claims
    }

    fn waiting(&self, run: RunId, want: &Want, since: &BTreeMap<crate::id::StepName, i64>, limits: &Limits) -> Waiting {
        Waiting {
            run,
            step: want.step.clone(),
            host: limits.host.clone(),
            take: want.take.clone(),
            priority: self.priority,
            since_ms: since.get(&want.step).copied().unwrap_or(self.now_ms),
            asked: None,
        }
    }
}
