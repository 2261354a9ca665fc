//! `tracer dump`: where every thread is now.

use tracer::dump::{dump as collect, render};

use super::{pids, print, say_gone, threads_among};
use crate::cli::DumpOptions;
use crate::failure::Failure;
use crate::notice;

/// Shows the threads of some processes.
pub fn dump(options: &DumpOptions) -> Result<u8, Failure> {
    let pids = pids(&options.targets)?;
    threads_among(&pids).for_each(notice::say);
    let dumped = collect(&pids, options.depth, &mut say_gone)?;
    if let Some(error) = &dumped.not_sampled {
        notice::say(format_args!("stacks of running threads may be inconsistent: {error}"));
    }
    print(&dumped.dump, &options.answer, render)?;
    drop(dumped); // detaching may take a while: the dump has been shown
    Ok(0)
}
