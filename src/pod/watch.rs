//! (being written)
use crate::pod::{client::ClusterClient, observe::PodObservation};
use crate::task::pods::PodIdentity;
use std::sync::Arc;
/// x
pub struct PodWatchHub;
/// x
pub struct Subscription;
impl PodWatchHub {
    /// x
    pub fn subscribe(&self, _: &ClusterClient, _: &PodIdentity) -> Subscription {
        Subscription
    }
}
impl Subscription {
    /// x
    pub fn latest(&self) -> Option<Arc<PodObservation>> {
        None
    }
    /// x
    pub async fn changed(&mut self) {}
    /// x
    pub fn verify(&self) {}
}
