//! Where a network is trained.

use candle_core::Device;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a network is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeviceChoice {
    /// On a GPU if this program and this machine have one, else on the CPU.
    #[default]
    Auto,
    /// On the CPU.
    Cpu,
    /// On a CUDA GPU, or not at all.
    Cuda,
}

/// A device that was found.
#[derive(Debug, Clone)]
pub struct ComputeDevice {
    pub(super) device: Device,
}

/// The device that was asked for is not there.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// This program was built without CUDA.
    #[error("this program was built without CUDA")]
    NotBuilt,
    /// CUDA finds no device.
    #[error("no CUDA device can be used")]
    NotFound(#[source] candle_core::Error),
}

impl ComputeDevice {
    /// The device that `choice` means here.
    ///
    /// # Errors
    /// When a GPU is asked for and there is none, or the program cannot use it.
    pub fn find(choice: DeviceChoice) -> Result<ComputeDevice, DeviceError> {
        let device = match choice {
            DeviceChoice::Cpu => Device::Cpu,
            DeviceChoice::Auto if !candle_core::utils::cuda_is_available() => Device::Cpu,
            DeviceChoice::Auto => Device::new_cuda(0).unwrap_or(Device::Cpu),
            DeviceChoice::Cuda if !candle_core::utils::cuda_is_available() => return Err(DeviceError::NotBuilt),
            DeviceChoice::Cuda => Device::new_cuda(0).map_err(DeviceError::NotFound)?,
        };
        Ok(ComputeDevice { device })
    }

    /// `cpu` or `cuda`.
    pub fn name(&self) -> &'static str {
        if self.device.is_cuda() { "cuda" } else { "cpu" }
    }
}
