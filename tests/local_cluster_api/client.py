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

review = client.AuthorizationV1Api().create_self_subject_access_review(
    client.V1SelfSubjectAccessReview(
        spec=client.V1SelfSubjectAccessReviewSpec(
            resource_attributes=client.V1ResourceAttributes(verb="create", resource="pods")
        )
    )
)
assert review.status.allowed
assert client.VersionApi().get_code().minor == "36"
assert refusal(client.BatchV1Api().list_namespaced_job, "default") == 404

# As a workflow's operator does it: labels, a secret, a projected token, a sidecar for the result.
secret = api.create_namespaced_secret(
    "default",
    client.V1Secret(metadata=client.V1ObjectMeta(name="s"), string_data={"k": "v"}),
)
assert secret.data == {"k": "dg=="}
api.create_namespaced_service_account(
    "default", client.V1ServiceAccount(metadata=client.V1ObjectMeta(name="robot"))
)
mount = client.V1VolumeMount(name="result", mount_path="/result")
token = client.V1VolumeProjection(
    service_account_token=client.V1ServiceAccountTokenProjection(path="token")
)
script = "test -s /tok/token; echo \"$S\" >/result/value; for i in 1 2 3; do echo line $i; sleep 0.3; done"
worker = client.V1Pod(
    metadata=client.V1ObjectMeta(
        name="worker", labels={"task": "t", "try_number": "1", "in_cluster": "False"}
    ),
    spec=client.V1PodSpec(
        service_account_name="robot",
        restart_policy="Never",
        termination_grace_period_seconds=1,
        volumes=[
            client.V1Volume(name="result", empty_dir=client.V1EmptyDirVolumeSource()),
            client.V1Volume(
                name="token", projected=client.V1ProjectedVolumeSource(sources=[token])
            ),
        ],
        containers=[
            client.V1Container(
                name="base",
                image="busybox",
                command=["sh", "-c", script],
                env=[
                    client.V1EnvVar(
                        name="S",
                        value_from=client.V1EnvVarSource(
                            secret_key_ref=client.V1SecretKeySelector(name="s", key="k")
                        ),
                    )
                ],
                volume_mounts=[
                    mount,
                    client.V1VolumeMount(name="token", mount_path="/tok", read_only=True),
                ],
            ),
            client.V1Container(
                name="sidecar",
                image="alpine",
                command=["sh", "-c", 'trap "exit 0" INT; while true; do sleep 0.1; done'],
                volume_mounts=[mount],
            ),
        ],
    ),
)
listed = api.list_namespaced_pod("default", label_selector="task=t").metadata.resource_version
api.create_namespaced_pod("default", client.ApiClient().sanitize_for_serialization(worker))
until(api, "worker", "Running")
followed = api.read_namespaced_pod_log(
    "worker", "default", container="base", follow=True, timestamps=True, _preload_content=False
)
lines = [line.split(b" ", 1)[1] for line in followed.read().splitlines()]
assert lines == [b"line 1", b"line 2", b"line 3"], lines
shell = stream(
    api.connect_get_namespaced_pod_exec,
    "worker",
    "default",
    container="sidecar",
    command=["/bin/sh"],
    stdin=True,
    stdout=True,
    stderr=True,
    tty=False,
    _preload_content=False,
)
shell.write_stdin("cat /result/value\n")
assert shell.readline_stdout(timeout=30) == "v"
shell.write_stdin("kill -2 1\n")
shell.close()
watching = watch.Watch()
for event in watching.stream(
    api.list_namespaced_pod,
    "default",
    label_selector="task=t,already_checked!=True",
    resource_version=listed,
    timeout_seconds=60,
):
    if event["object"].status.phase == "Succeeded":
        watching.stop()
said = api.list_namespaced_event(
    "default", field_selector="involvedObject.name=worker,involvedObject.kind=Pod"
)
assert {"Scheduled", "Started"} <= {event.reason for event in said.items}
checked = {"metadata": {"labels": {"already_checked": "True"}}}
assert api.patch_namespaced_pod("worker", "default", checked).metadata.labels["task"] == "t"
api.delete_namespaced_pod(
    "worker", "default", grace_period_seconds=0, propagation_policy="Foreground"
)
assert refusal(api.read_namespaced_pod, "worker", "default") == 404
print("all is well")
