//! Range scans of a state of which some keys were written since.

use std::{
    borrow::Borrow,
    ops::{Bound, ControlFlow},
};

use super::overlay::{Known, Trouble};
use crate::{
    state::{RangeSupport, State},
    value::Value,
};

/// Visits the keys of a range: those of the parent state, and those that were `written` since, of which each says what it
/// is now, unless it is `Known::No`: then it is what it was. The range is not empty.
pub(crate) fn merge<K, V, S, R, W>(
    state: &S,
    range: (Bound<&K>, Bound<&K>),
    written: impl Iterator<Item = (R, W)>,
    visit: &mut dyn FnMut(&K, &V) -> ControlFlow<()>,
) -> Result<(), Trouble>
where
    K: Ord,
    V: Value,
    S: State<K, V>,
    R: Borrow<K>,
    W: Borrow<Known<V>>,
{
    let mut written = written.peekable();
    let mut flow = ControlFlow::Continue(());
    let support = state.range(range.0, range.1, &mut |key, value| {
        while let Some((earlier, ours)) = written.next_if(|(written, _)| written.borrow() < key) {
            if let Known::Value(value) = ours.borrow() {
                flow = visit(earlier.borrow(), value);
                flow?;
            }
        }
        let ours = written.next_if(|(written, _)| written.borrow() == key);
        let value = match &ours {
            Some((_, ours)) if ours.borrow().is_known() => ours.borrow().as_option(),
            _ => Some(value),
        };
        if let Some(value) = value {
            flow = visit(key, value);
        }
        flow
    });
    match support {
        Ok(RangeSupport::Visited) => {}
        Ok(RangeSupport::Unsupported) => return Err(Trouble::RangeUnsupported),
        Err(error) => return Err(Trouble::State(Box::new(error))),
    }
    if flow.is_continue() {
        for (key, ours) in written {
            if let Known::Value(value) = ours.borrow()
                && visit(key.borrow(), value).is_break()
            {
                break;
            }
        }
    }
    Ok(())
}
