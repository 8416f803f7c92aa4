//! How numbers, errors, long texts and lines of JSON are written.

use std::{
    error::Error,
    io::{self, Write},
    iter,
    time::Duration,
};

use serde::Serialize;

/// `time` in milliseconds.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// `time` in microseconds.
pub(crate) fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// A whole number, its thousands separated.
pub(crate) fn thousands(number: u64) -> String {
    separate(&number.to_string())
}

/// A number with so many decimals, its thousands separated. No number is a dash.
pub(crate) fn decimal(number: Option<f64>, decimals: usize) -> String {
    let Some(number) = number else {
        return "-".to_owned();
    };
    let text = format!("{number:.decimals$}");
    match text.split_once('.') {
        Some((whole, fraction)) => format!("{}.{fraction}", separate(whole)),
        None => separate(&text),
    }
}

fn separate(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number and what it counts: `1 block`, `2 blocks`.
pub(crate) fn counted(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", thousands(number as u64))
}

/// Breaks `text` into lines of at most `width`, unless a word is longer.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The lines, of at most `width`, that say what something means, beside its name, which has `indent` characters.
pub(crate) fn explain(name: &str, meaning: &str, indent: usize, width: usize) -> Vec<String> {
    let lines = wrap(meaning, width.saturating_sub(indent)).into_iter();
    let names = iter::once(name).chain(iter::repeat(""));
    lines
        .zip(names)
        .map(|(line, name)| format!("{name:indent$}{line}"))
        .collect()
}

/// Two different texts, each whole if both are short, or else from a little before where they begin to differ.
pub(crate) fn excerpts(expected: &str, found: &str) -> (String, String) {
    const WHOLE: usize = 80;
    const EXCERPT: usize = 48;
    const BEFORE: usize = 8;
    if expected.len().max(found.len()) <= WHOLE {
        return (expected.to_owned(), found.to_owned());
    }
    let same = expected
        .chars()
        .zip(found.chars())
        .take_while(|(expected, found)| expected == found)
        .count();
    let start = same.saturating_sub(BEFORE);
    let excerpt = |text: &str| {
        let before = if start > 0 { "…" } else { "" };
        let excerpt: String = text.chars().skip(start).take(EXCERPT).collect();
        let after = if text.chars().nth(start + EXCERPT).is_some() {
            "…"
        } else {
            ""
        };
        format!("{before}{excerpt}{after}")
    };
    (excerpt(expected), excerpt(found))
}

/// The message of an error and of what caused it, as far as that is not part of the message already.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.ends_with(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    message
}

/// Writes one line of JSON to standard output.
pub(crate) fn print_line(line: &impl Serialize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, line)?;
    writeln!(out)
}

/// The median of at least one time.
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    let middle = times.len() / 2;
    if times.len().is_multiple_of(2) {
        (times[middle - 1] + times[middle]) / 2
    } else {
        times[middle]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_000), "1,000");
        assert_eq!(thousands(29_985_362), "29,985,362");
        assert_eq!(decimal(Some(12_345.678), 2), "12,345.68");
        assert_eq!(decimal(Some(0.5), 1), "0.5");
        assert_eq!(decimal(Some(1234.5), 0), "1,234");
        assert_eq!(decimal(None, 2), "-");
    }

    #[test]
    fn lines_are_no_longer_than_asked() {
        let text = "one two three four";
        assert_eq!(wrap(text, 80), [text]);
        assert_eq!(wrap(text, 10), ["one two", "three four"]);
        assert_eq!(wrap(text, 2), ["one", "two", "three", "four"]);
        assert!(wrap("", 9).is_empty());
    }

    #[test]
    fn long_texts_are_shown_where_they_differ() {
        let short = excerpts("1", "2");
        assert_eq!(short, ("1".to_owned(), "2".to_owned()));
        let zeros = "0".repeat(512);
        let other = format!("{}1{}", "0".repeat(300), "0".repeat(211));
        let (expected, found) = excerpts(&zeros, &other);
        assert_eq!(expected, format!("…{}…", "0".repeat(48)));
        assert_eq!(found, format!("…{}1{}…", "0".repeat(8), "0".repeat(39)));
        let (_, found) = excerpts(&zeros, "");
        assert_eq!(found, "");
    }

    #[test]
    fn the_median_is_in_the_middle() {
        let of = |times: &[u64]| median(times.iter().copied().map(Duration::from_secs).collect());
        assert_eq!(of(&[7]).as_secs(), 7);
        assert_eq!(of(&[9, 1, 2]).as_secs(), 2);
        assert_eq!(of(&[9, 1, 2, 4]).as_secs(), 3);
    }

    #[test]
    fn a_cause_is_told_once() {
        let outer = anyhow::anyhow!("inner").context("outer: inner");
        assert_eq!(with_causes(outer.as_ref()), "outer: inner");
        let outer = anyhow::anyhow!("inner").context("outer");
        assert_eq!(with_causes(outer.as_ref()), "outer: inner");
    }
}
