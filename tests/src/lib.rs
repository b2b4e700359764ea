//! Nothing here: the tests are the files beside this package manifest.
