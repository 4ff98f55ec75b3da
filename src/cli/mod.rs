//! The command line: one file per subcommand. The only place besides the daemon that puts the parts together.

use std::process::ExitCode;

/// Runs the program and returns its exit status.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
