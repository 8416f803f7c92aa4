//! Bytes from anybody: they are an error, or the one encoding of a tree that all questions can be asked of.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pleach_dtt::{Dtt, Limits, export::Picture};

fuzz_target!(|bytes: &[u8]| {
    let Ok(tree) = Dtt::decode(bytes, Limits::default()) else {
        return;
    };
    assert_eq!(tree.encode(), bytes);
    // What a tree holds is bounded by what was paid for it in bytes.
    assert!(tree.edges() + tree.len() <= bytes.len());

    let branches = tree.branches();
    assert_eq!(branches.iter().map(<[u32]>::len).sum::<usize>(), tree.len());
    let levels = tree.levels();
    for index in 0..tree.len().min(64) {
        let dependencies = tree.dependencies(index);
        assert_eq!(dependencies.last().copied(), tree.parent(index));
        assert!(dependencies.iter().all(|earlier| levels[*earlier] < levels[index]));
    }
    let costs = vec![3; tree.len()];
    assert!(tree.critical_path(&costs).cost <= 3 * tree.len() as u64);
    if tree.len() <= 64 {
        let json = serde_json::to_string(&tree).expect("a tree can be written");
        assert_eq!(serde_json::from_str::<Dtt>(&json).expect("and read"), tree);
        assert!(Picture::new(&tree).costs(&costs).svg().starts_with("<svg"));
    }
});
