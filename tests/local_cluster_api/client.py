"""What a Python program does with pods; any difference ends it with a traceback."""

from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import stream


def pod(name, script):
    return client.V1Pod(
        metadata=client.V1ObjectMeta(name=name, labels={"app": name}),
        spec=client.V1PodSpec(
            restart_policy="Never",
            termination_grace_period_seconds=1,
            containers=[
                client.V1Container(
                    name="base", image="busybox", command=["sh", "-c", script]
                )
            ],
        ),
    )


def until(api, name, phase):
    watching = watch.Watch()
    for event in watching.stream(
        api.list_namespaced_pod,
        "default",
        field_selector=f"metadata.name={name}",
        timeout_seconds=60,
    ):
        if event["object"].status.phase == phase:
            watching.stop()
            return event["object"]
    raise AssertionError(f"{name} was never {phase}")


def refusal(call, *arguments, **options):
    try:
        call(*arguments, **options)
    except ApiException as error:
        return error.status
    raise AssertionError("it was not refused")


config.load_kube_config()
api = client.CoreV1Api()

nodes = api.list_node().items
assert [node.metadata.name for node in nodes] == ["local"]
assert nodes[0].status.node_info.operating_system == "linux"
assert nodes[0].status.node_info.kernel_version

api.create_namespaced_pod("default", pod("a", "echo one; echo two; exit 3"))
ended = until(api, "a", "Failed")
assert ended.status.container_statuses[0].state.terminated.exit_code == 3
assert api.read_namespaced_pod_log("a", "default") == "one\ntwo\n"
lines = api.read_namespaced_pod_log(
    "a", "default", tail_lines=1, timestamps=True, _preload_content=False
)
assert lines.data.endswith(b"Z two\n"), lines.data
assert refusal(api.create_namespaced_pod, "default", pod("a", "true")) == 409
assert refusal(api.create_namespaced_pod, "default", pod("Bad", "true")) == 422
assert refusal(api.read_namespaced_pod, "absent", "default") == 404

api.create_namespaced_pod("default", pod("b", "sleep 1000"))
until(api, "b", "Running")
selected = api.list_namespaced_pod("default", label_selector="app in (b)")
assert [item.metadata.name for item in selected.items] == ["b"]
said = stream(
    api.connect_get_namespaced_pod_exec,
    "b",
    "default",
    command=["sh", "-c", "echo out; exit 5"],
    stdout=True,
    stderr=True,
    _preload_content=False,
)
said.run_forever(timeout=30)
assert said.read_stdout() == "out\n"
assert said.returncode == 5, said.returncode

patched = api.patch_namespaced_pod("b", "default", {"metadata": {"labels": {"app": "c"}}})
assert patched.metadata.labels == {"app": "c"}
deleted = api.delete_namespaced_pod(
    "b",
    "default",
    body=client.V1DeleteOptions(
        preconditions=client.V1Preconditions(uid=patched.metadata.uid)
    ),
)
assert deleted.metadata.deletion_grace_period_seconds == 1
events = api.list_namespaced_event(
    "default", field_selector=f"involvedObject.uid={patched.metadata.uid}"
)
assert "Scheduled" in {event.reason for event in events.items}
print("all is well")
