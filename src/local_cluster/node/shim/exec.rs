//! Running another command inside a container that runs.
