//! The `phaseline` program: arguments in, exit status out.

use std::process::ExitCode;

// glibc gives freed memory back to the kernel between training batches, which costs half of the time in page faults.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    phaseline::cli::main()
}
