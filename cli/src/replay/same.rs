//! What a block comes to, compared with what it comes to serially.

use std::fmt::Debug;

use pleach_evm::{BlockResult, Check, CheckResult};

/// The name of the check, beside those of a header's fields.
const NAME: &str = "same_as_serial";

/// Compares two results of one block to the last byte. If they differ, it says where they do first.
pub(super) fn same_as_serial(expected: &BlockResult, found: &BlockResult) -> Check {
    Check {
        name: NAME,
        result: compare(expected, found),
    }
}

fn compare(expected: &BlockResult, found: &BlockResult) -> CheckResult {
    let receipts = (&expected.receipts, &found.receipts);
    if let Some(result) = first_difference("receipt", receipts.0.iter(), receipts.1.iter()) {
        return result;
    }
    let executions = (&expected.executions, &found.executions);
    if let Some(result) = first_difference("execution", executions.0.iter(), executions.1.iter()) {
        return result;
    }
    let changes = (&expected.changes, &found.changes);
    if let Some(result) = first_difference("change", changes.0.iter(), changes.1.iter()) {
        return result;
    }
    let rest = |result: &BlockResult| {
        let BlockResult {
            gas_used,
            logs_bloom,
            requests,
            ..
        } = result;
        format!("gas {gas_used}, requests {requests:?}, bloom {logs_bloom}")
    };
    let (expected, found) = (rest(expected), rest(found));
    if expected == found {
        CheckResult::Passed
    } else {
        CheckResult::Failed { expected, found }
    }
}

/// The first place in which two sequences differ.
fn first_difference<T: PartialEq + Debug>(
    what: &str,
    mut expected: impl Iterator<Item = T>,
    mut found: impl Iterator<Item = T>,
) -> Option<CheckResult> {
    for index in 0.. {
        let (expected, found) = (expected.next(), found.next());
        if expected.is_none() && found.is_none() {
            break;
        }
        if expected != found {
            let text = |item: Option<T>| match item {
                Some(item) => format!("{what} {index}: {item:?}"),
                None => format!("no {what} {index}"),
            };
            return Some(CheckResult::Failed {
                expected: text(expected),
                found: text(found),
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_named() {
        let differ = |found: &[u8]| first_difference("number", [1, 2, 3].iter(), found.iter());
        assert_eq!(differ(&[1, 2, 3]), None);
        let failed = |expected: &str, found: &str| CheckResult::Failed {
            expected: expected.to_owned(),
            found: found.to_owned(),
        };
        assert_eq!(
            differ(&[1, 7, 9]),
            Some(failed("number 1: 2", "number 1: 7"))
        );
        assert_eq!(differ(&[1, 2]), Some(failed("number 2: 3", "no number 2")));
        assert_eq!(
            differ(&[1, 2, 3, 4]),
            Some(failed("no number 3", "number 3: 4"))
        );
    }
}
