//! Every place that a report goes to.

use tracer::report::output::{Destination, OutputError, check_stdout};
use tracer::report::{Format, Report, View, json, text};

use crate::cli::OutputOptions;
use crate::failure::Failure;
use crate::screen;

/// Opened before anything is attached, so that what cannot be written costs nobody anything.
pub struct Outputs(Vec<Destination>);

impl Outputs {
    /// As the options have it.
    pub fn open(options: &OutputOptions) -> Result<Self, Failure> {
        if options.has_stdout() {
            check_stdout().map_err(OutputError::Stdout)?;
        }
        let places = options.places()?;
        let open = places.iter().map(|place| Destination::open(&place.path, place.format));
        Ok(Self(open.collect::<Result<_, _>>()?))
    }

    /// Their formats.
    pub fn formats(&self) -> impl Iterator<Item = Format> {
        self.0.iter().map(|destination| destination.format)
    }

    /// Writes the report to all of them.
    pub fn write(self, report: &Report, options: &OutputOptions) -> Result<(), Failure> {
        self.write_each(options, |format, view| format.write(report, view))
    }

    /// Writes what is made for each; if one does not take it, the others have it still.
    pub fn write_each(
        self,
        options: &OutputOptions,
        make: impl Fn(Format, &View) -> Vec<u8>,
    ) -> Result<(), Failure> {
        let written = self.0.into_iter().map(|destination| {
            let view = view(options, destination.is_stdout());
            let bytes = make(destination.format, &view);
            destination.finish(&bytes)
        });
        let written: Vec<_> = written.collect();
        Ok(written.into_iter().collect::<Result<_, _>>()?)
    }
}

fn view(options: &OutputOptions, to_stdout: bool) -> View {
    let on_terminal = to_stdout && screen::is_terminal();
    let style = text::Style { full: options.full, ..screen::style(options.color, on_terminal) };
    let layout = if on_terminal { json::Layout::Pretty } else { json::Layout::Compact };
    View { style, layout, of: options.of }
}
