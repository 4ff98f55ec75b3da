//! Slots of a machine whose disk is nearly full: none is given until there is room again.

use std::sync::Arc;

use async_trait::async_trait;

use super::health::{Health, Trouble};
use crate::engine::{Answer, EngineError, Lease, Limits, Short, Slots, Wait, Want};
use crate::id::AttemptId;

/// Gives slots as long as there is room on the disk.
pub struct RoomySlots {
    slots: Arc<dyn Slots>,
    health: Arc<Health>,
}

impl RoomySlots {
    /// The same slots, unless `health` tells of a full disk.
    pub fn new(slots: Arc<dyn Slots>, health: Arc<Health>) -> RoomySlots {
        RoomySlots { slots, health }
    }
}

#[async_trait]
impl Slots for RoomySlots {
    async fn claim_slots(&self, lease: &Lease, wants: &[Want], limits: &Limits) -> Result<Vec<Answer>, EngineError> {
        match self.health.trouble(Trouble::Disk) {
            None => self.slots.claim_slots(lease, wants, limits).await,
            Some(because) => {
                let wait = || Answer::Wait(Wait { short: Short::Turn, because: because.clone() });
                Ok(wants.iter().map(|_| wait()).collect())
            }
        }
    }

    async fn give_back(&self, lease: &Lease, attempts: &[AttemptId]) -> Result<(), EngineError> {
        self.slots.give_back(lease, attempts).await
    }
}
