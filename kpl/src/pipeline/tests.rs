//! Scenarios of the pipeline.
