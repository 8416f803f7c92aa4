//! Spans for `tracing`, if that feature is on. Otherwise they are nothing at all.

/// Enters a span until the end of the enclosing block: its name, then its fields.
#[cfg(feature = "tracing")]
macro_rules! span {
    ($name:literal $(, $field:ident = $value:expr)*) => {
        let _span = tracing::debug_span!(target: "pleach", $name $(, $field = $value)*).entered();
    };
}

#[cfg(not(feature = "tracing"))]
macro_rules! span {
    ($name:literal $(, $field:ident = $value:expr)*) => {};
}

pub(crate) use span;
