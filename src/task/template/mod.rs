//! Rendering of templated parameters.
