//! Bugs that are put back in, so that tests can show that they would find them. They are compiled in for that alone.

/// Whether the bug of this name is put in: with `--cfg mutant="NAME"`, and with `--cfg mutant="any"` if the environment variable
/// `PLEACH_MUTANT` names it.
macro_rules! mutant {
    ($name:tt) => {
        cfg!(mutant = $name) || (cfg!(mutant = "any") && $crate::mutant::is($name))
    };
}
pub(crate) use mutant;

/// Whether the environment asks for this one.
pub(crate) fn is(name: &str) -> bool {
    static NAME: std::sync::LazyLock<Option<String>> =
        std::sync::LazyLock::new(|| std::env::var("PLEACH_MUTANT").ok());
    NAME.as_deref() == Some(name)
}
