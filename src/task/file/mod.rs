//! The task file: what a user may write, parsed once and strictly.
