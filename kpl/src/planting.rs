//! The sites of planted bugs: one line each, and nothing at all in a build without `_simulation`.

/// Does something wrong on purpose if the bug is planted.
macro_rules! if_planted {
    ($bug:ident, $wrong:expr) => {
        #[cfg(feature = "_simulation")]
        if $crate::planted_bugs::PlantedBug::$bug.is_planted() {
            $wrong;
        }
    };
}
