//! A task's parameters in, a `Pod` out: pure, and the same pod as the reference builds.
