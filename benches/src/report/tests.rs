//! Pages of made-up rows.

use std::collections::BTreeMap;

use pleach_dtt::{AccessSet, OpenTree, Trust};
use serde_json::json;

use super::*;

fn row(accounts: u64, engine: &str, workers: usize, speedup: f64) -> Row {
    let tps = 600_000.0 * speedup;
    let row = json!({
        "workload": "payments", "params": {"accounts": accounts, "work": 1000, "latency_us": 0, "txs": 40, "seed": 7},
        "engine": engine, "workers": workers, "transactions": 40, "runs": 5, "tps": tps,
        "tps_spread": [tps * 0.9, tps * 1.1], "speedup": speedup, "cpu_s_per_tx": 2e-6, "cores_busy": 1.9,
        "attempts_per_tx": 1.02, "commit_p50_us": 4e6 / speedup, "commit_p99_us": 8e6 / speedup, "is_noisy": false,
    });
    serde_json::from_value(row).expect("it is a row")
}

fn rows() -> Vec<Row> {
    let engines = [
        ("plain", 1, 1.0),
        ("pleach-exact", 1, 0.8),
        ("pleach-exact", 2, 1.5),
        ("<b>mine</b>", 2, 1.1),
    ];
    [100, 10_000]
        .into_iter()
        .flat_map(|accounts| {
            engines.map(|(engine, workers, speedup)| row(accounts, engine, workers, speedup))
        })
        .collect()
}

fn sample(params: &BTreeMap<String, serde_json::Value>) -> Sample {
    let mut open = OpenTree::new();
    for number in 0..40 {
        let mut set = AccessSet::new();
        set.update(number / 4);
        open.push(&set, Trust::Exact).expect("it is small");
    }
    Sample {
        workload: "payments".to_owned(),
        params: params.clone(),
        tree: open.into_tree(),
        costs: vec![1_000; 40],
    }
}

/// All start tags, without those of pictures that are attributes.
fn tags(page: &str) -> Vec<&str> {
    let tags = page.split('<').skip(1);
    tags.filter_map(|tag| tag.split([' ', '>']).next())
        .collect()
}

#[test]
fn text_from_outside_stays_text() {
    let mut rows = rows();
    for row in &mut rows {
        row.workload = "<script>alert(1)</script>".to_owned();
        row.params.insert(
            "\"><img src=x>".to_owned(),
            json!("</style><a href='javascript:'>"),
        );
    }
    let facts = [(
        "<i>".to_owned(),
        "</dd><script src=//x></script>".to_owned(),
    )];
    let mut sample = sample(&rows[0].params);
    sample.workload.clone_from(&rows[0].workload);
    let samples = [sample];
    let page = Report::new(&rows)
        .samples(&samples)
        .pictured(&samples[0], &[])
        .facts(&facts)
        .command("</pre><script>")
        .html();
    let images = tags(&page).iter().filter(|tag| **tag == "img").count();
    assert_eq!(images, 1);
    for tag in tags(&page) {
        assert!(
            !["script", "i", "a", "iframe", "link"].contains(&tag),
            "{tag}"
        );
    }
    assert!(page.contains("&lt;script&gt;alert(1)"));
}

#[test]
fn what_is_opened_is_closed() {
    let rows = rows();
    let samples = [sample(&rows[0].params)];
    let page = Report::new(&rows).samples(&samples).html();
    let mut open = Vec::new();
    let mut rest = page.as_str();
    while let Some((_, after)) = rest.split_once('<') {
        let (tag, after) = after.split_once('>').expect("tags end");
        rest = after;
        let name = tag
            .trim_start_matches('/')
            .split(' ')
            .next()
            .unwrap_or_default();
        if tag.ends_with('/') || ["!doctype", "meta", "img", "html", "main"].contains(&name) {
            continue;
        }
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name));
        } else {
            open.push(name);
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}

#[test]
fn it_needs_nothing_else_and_says_no_nonsense() {
    let mut rows = rows();
    rows[2].tps = f64::NAN;
    rows[3].speedup = f64::INFINITY;
    let samples = [sample(&rows[0].params)];
    let page = Report::new(&rows).samples(&samples).html();
    for word in [
        "http://", "https://", "url(", "@import", "NaN", "Infinity", ">inf<",
    ] {
        assert!(!page.contains(word), "{word}");
    }
    assert_eq!(page, Report::new(&rows).samples(&samples).html());
    let empty = Report::new(&[]).html();
    assert!(empty.ends_with("</html>\n") && !empty.contains("<svg"));
}

#[test]
fn what_is_simulated_is_told_apart() {
    let rows = rows();
    let without = Report::new(&rows).html();
    assert!(!without.contains("class=\"simulated"));
    let samples = [sample(&rows[0].params)];
    let with = Report::new(&rows).samples(&samples).html();
    assert!(with.contains("class=\"simulated") && with.contains(">simulated</text>"));
    assert!(!without.contains(">simulated</text>"), "nothing is");
    // Ten branches of four, each of which takes as long: ten times at most, and less with the overhead of exact sets.
    assert!(with.contains("bound 10<"), "the bound is at the end");
    assert!(with.contains(": 8 times the plain loop, simulated"));
}
