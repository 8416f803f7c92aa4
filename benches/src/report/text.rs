//! Text and numbers as they may stand in the page.

use std::fmt::Write;

/// Text between tags, and in quoted attributes. Control characters are left out: neither HTML nor SVG has a place for them.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(' '),
            _ if character.is_control() => {}
            _ => escaped.push(character),
        }
    }
    escaped
}

/// A picture as the source of an image: a document of its own, whose names do not meet those of the page.
pub(super) fn data_uri(svg: &str) -> String {
    let mut uri = String::with_capacity(svg.len() * 3 / 2);
    uri.push_str("data:image/svg+xml,");
    for byte in svg.bytes() {
        match byte {
            b'%' | b'#' | b'<' | b'>' | b'"' | b'\'' | b'&' | b'\\' | b'`' | b'{' | b'}' => {
                let _ = write!(uri, "%{byte:02X}");
            }
            b' '..=b'~' => uri.push(char::from(byte)),
            _ => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri
}

/// A number of three digits or so, with a letter for thousands and more.
pub(super) fn short(number: f64) -> String {
    if !number.is_finite() {
        return "?".to_owned();
    }
    let (scaled, letter) = match number.abs() {
        size if size >= 999.5e6 => (number / 1e9, "G"),
        size if size >= 999.5e3 => (number / 1e6, "M"),
        size if size >= 999.5 => (number / 1e3, "k"),
        _ => (number, ""),
    };
    let places = match scaled.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        _ => 2,
    };
    let mut digits = format!("{scaled:.places$}");
    if digits.contains('.') {
        let kept = digits.trim_end_matches('0').trim_end_matches('.').len();
        digits.truncate(kept);
    }
    digits + letter
}

/// A number with so many places; a dash if there is none.
pub(super) fn fixed(number: Option<f64>, places: usize) -> String {
    match number {
        Some(number) if number.is_finite() => format!("{number:.places$}"),
        _ => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_made_safe() {
        assert_eq!(
            escape("<b a=\"'\">&\u{7}\n"),
            "&lt;b a=&quot;&#39;&quot;&gt;&amp; "
        );
        let uri = data_uri("<svg a=\"#1\">\u{d7}%</svg>");
        let expected = "data:image/svg+xml,%3Csvg a=%22%231%22%3E%C3%97%25%3C/svg%3E";
        assert_eq!(uri, expected);
    }

    #[test]
    fn numbers_are_short() {
        for (number, text) in [
            (0.0, "0"),
            (0.25, "0.25"),
            (1.0, "1"),
            (12.34, "12.3"),
            (999.6, "1k"),
            (1_234.0, "1.23k"),
            (2_500_000.0, "2.5M"),
            (f64::NAN, "?"),
        ] {
            assert_eq!(short(number), text);
        }
        assert_eq!(fixed(None, 2), "-");
        assert_eq!(fixed(Some(1.005), 1), "1.0");
    }
}
