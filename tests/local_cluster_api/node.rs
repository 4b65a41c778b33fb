//! The one node as others see it.

use futures::TryStreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, WatchEvent, WatchParams};

use crate::cluster::{Cluster, PATIENCE};
use crate::kubectl::said;

#[tokio::test(flavor = "multi_thread")]
async fn the_node_gives_signs_of_life_in_its_lease() {
    let cluster = Cluster::start();
    let description = said(&cluster, &["describe", "node", "local"]);
    assert!(
        description.contains("HolderIdentity:  local"),
        "{description}"
    );
    let leases: Api<Lease> = Api::namespaced(cluster.client().await, "kube-node-lease");
    let renewed = |lease: &Lease| lease.spec.as_ref().unwrap().renew_time.clone().unwrap();
    let first = leases.get("local").await.unwrap();
    assert_eq!(
        first.metadata.owner_references.as_ref().unwrap()[0].kind,
        "Node"
    );
    let version = first.metadata.resource_version.clone().unwrap();
    let minute = WatchParams::default().timeout(60);
    let watching = async {
        let events = leases.watch(&minute, &version).await.unwrap();
        let mut events = std::pin::pin!(events);
        match events.try_next().await.unwrap().unwrap() {
            WatchEvent::Modified(lease) => lease,
            other => panic!("{other:?}"),
        }
    };
    let later = tokio::time::timeout(PATIENCE, watching).await.unwrap();
    assert!(renewed(&later) > renewed(&first));
    // Whoever takes it away makes no difference for long.
    leases.delete("local", &Default::default()).await.unwrap();
    let watching = async {
        let version = later.metadata.resource_version.clone().unwrap();
        let events = leases.watch(&minute, &version).await.unwrap();
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.try_next().await.unwrap() {
            if let WatchEvent::Added(lease) = event {
                return lease;
            }
        }
        panic!("the lease was not made again");
    };
    let again = tokio::time::timeout(PATIENCE, watching).await.unwrap();
    assert_ne!(again.metadata.uid, first.metadata.uid);
}
