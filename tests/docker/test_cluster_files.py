"""What `ray up`, `ray job submit` and KubeRay read, by Ray's own checks and Kubernetes' schemas."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from launch_files import DOCKER, documents, given, kinds, locked, options, tool

RAY_JOB = "RayJob/sie-cluster-3"
# ray.io/v1, the fields of RayJobSpec, RayClusterSpec, HeadGroupSpec and WorkerGroupSpec in
# KubeRay's reference (1.6), with the type of each
RAY_JOB_FIELDS = {
    "activeDeadlineSeconds": int,
    "backoffLimit": int,
    "clusterSelector": dict,
    "deletionStrategy": dict,
    "entrypoint": str,
    "entrypointNumCpus": float,
    "entrypointNumGpus": float,
    "entrypointResources": str,
    "jobId": str,
    "managedBy": str,
    "metadata": dict,
    "rayClusterSpec": dict,
    "runtimeEnvYAML": str,
    "shutdownAfterJobFinishes": bool,
    "submissionMode": str,
    "submitterConfig": dict,
    "submitterPodTemplate": dict,
    "suspend": bool,
    "ttlSecondsAfterFinished": int,
}
RAY_CLUSTER_FIELDS = {
    "authOptions": dict,
    "autoscalerOptions": dict,
    "enableInTreeAutoscaling": bool,
    "gcsFaultToleranceOptions": dict,
    "headGroupSpec": dict,
    "headServiceAnnotations": dict,
    "managedBy": str,
    "rayVersion": str,
    "suspend": bool,
    "workerGroupSpecs": list,
}
HEAD_FIELDS = {
    "enableIngress": bool,
    "headService": dict,
    "rayStartParams": dict,
    "serviceType": str,
    "template": dict,
}
WORKER_FIELDS = {
    "groupName": str,
    "idleTimeoutSeconds": int,
    "maxReplicas": int,
    "minReplicas": int,
    "numOfHosts": int,
    "rayStartParams": dict,
    "replicas": int,
    "scaleStrategy": dict,
    "suspend": bool,
    "template": dict,
}


def check(values: dict, fields: dict[str, type], required: set[str]) -> None:
    assert set(values) <= set(fields)
    assert required <= set(values)
    for name, value in values.items():
        assert type(value) is fields[name], f"{name}: {value!r}"


@pytest.fixture(scope="module")
def job():
    return kinds("kuberay/rayjob.yaml")[RAY_JOB]


@pytest.fixture(scope="module")
def groups(job):
    cluster = job["spec"]["rayClusterSpec"]
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


class TestKubeRay:
    def test_the_job_has_the_fields_of_the_definition(self, job):
        assert job["apiVersion"] == "ray.io/v1"
        assert set(job) == {"apiVersion", "kind", "metadata", "spec"}
        check(job["spec"], RAY_JOB_FIELDS, {"entrypoint", "rayClusterSpec"})
        assert job["spec"]["submissionMode"] in {"K8sJobMode", "HTTPMode", "SidecarMode"}

    def test_the_cluster_has_the_fields_of_the_definition(self, job):
        cluster = job["spec"]["rayClusterSpec"]
        check(cluster, RAY_CLUSTER_FIELDS, {"headGroupSpec"})
        check(cluster["headGroupSpec"], HEAD_FIELDS, {"rayStartParams", "template"})
        for group in cluster["workerGroupSpecs"]:
            needed = {"groupName", "minReplicas", "maxReplicas", "rayStartParams", "template"}
            check(group, WORKER_FIELDS, needed)
            assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]

    def test_the_token_is_on_and_the_version_is_the_locked_one(self, job):
        cluster = job["spec"]["rayClusterSpec"]
        assert cluster["authOptions"] == {"mode": "token"}
        assert cluster["rayVersion"] == locked()["ray"]

    def test_the_start_parameters_exist_and_are_text(self, groups):
        for group in groups:
            assert {f"--{name}" for name in group["rayStartParams"]} <= options("ray", "start")
            assert all(type(value) is str for value in group["rayStartParams"].values())

    def test_as_many_trials_at_once_as_the_workers_have_cpus(self, job, groups):
        workers = groups[1:]
        cpus = sum(g["replicas"] * int(g["rayStartParams"]["num-cpus"]) for g in workers)
        assert f"--max-concurrent {cpus} " in job["spec"]["entrypoint"]
        for group in workers:
            (container,) = group["template"]["spec"]["containers"]
            granted = container["resources"]["limits"]
            assert granted == container["resources"]["requests"]
            assert int(granted["cpu"]) == int(group["rayStartParams"]["num-cpus"])
            assert int(granted["memory"].removesuffix("Gi")) >= 2 * int(granted["cpu"]) + 1

    def test_the_entrypoint_calls_by_options_that_exist(self, job):
        command = job["spec"]["entrypoint"].replace("'", "")
        assert given(command) <= options("experiments/loco_search.py")
        assert "--tracking-uri http://mlflow:5000" in command
        assert "Service/mlflow" in kinds("kuberay/mlflow.yaml")

    def test_the_record_outlives_the_pod(self, job, groups):
        volumes = {v["name"]: v for v in groups[0]["template"]["spec"]["volumes"]}
        claim = volumes["record"]["persistentVolumeClaim"]["claimName"]
        assert f"PersistentVolumeClaim/{claim}" in kinds("kuberay/rayjob.yaml")
        (container,) = groups[0]["template"]["spec"]["containers"]
        mounted = {m["name"]: m["mountPath"] for m in container["volumeMounts"]}
        folder = re.search(r"cd (\S+)", job["spec"]["entrypoint"])[1]
        assert mounted["record"] == f"{folder}/mlruns"
        assert f"{folder}/mlruns" in (DOCKER / "Dockerfile").read_text()

    def test_pods_are_valid_and_run_as_an_ordinary_user(self, groups):
        for group in groups:
            pod = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "pod"},
                **group["template"],
            }
            _by_schema(pod)
            _runs_without_rights(pod["spec"])

    def test_the_resources_beside_it_are_valid(self):
        beside = kinds("kuberay/mlflow.yaml") | kinds("kuberay/rayjob.yaml")
        for name, resource in beside.items():
            if name != RAY_JOB:
                _by_schema(resource)

    def test_the_server_runs_without_rights_and_reads_its_password_from_a_secret(self):
        resources = kinds("kuberay/mlflow.yaml")
        for name in ("Deployment/mlflow", "StatefulSet/postgres"):
            pod = resources[name]["spec"]["template"]["spec"]
            _runs_without_rights(pod)
            secrets = [v["secret"]["secretName"] for v in pod["volumes"] if "secret" in v]
            assert secrets == ["sie-database"]
        assert not [name for name in resources if name.startswith("Secret/")]

    def test_mlflow_is_reached_from_its_namespace_only(self):
        resources = kinds("kuberay/mlflow.yaml")
        policy = resources["NetworkPolicy/sie-mlflow"]["spec"]
        pod = resources["Deployment/mlflow"]["spec"]["template"]
        assert policy["podSelector"]["matchLabels"] == pod["metadata"]["labels"]
        assert policy["policyTypes"] == ["Ingress"]
        # a selector of pods without one of namespaces: this namespace
        assert policy["ingress"] == [{"from": [{"podSelector": {}}], "ports": [{"port": "http"}]}]
        (container,) = pod["spec"]["containers"]
        assert [port["name"] for port in container["ports"]] == ["http"]

    def test_nothing_is_published_beyond_the_cluster(self):
        for resource in kinds("kuberay/mlflow.yaml").values():
            if resource["kind"] == "Service":
                assert resource["spec"].get("type", "ClusterIP") == "ClusterIP"
            assert resource["kind"] != "Ingress"


class TestRayUp:
    @pytest.fixture(scope="class")
    def config(self):
        (config,) = documents("ray-cluster.yaml")
        return config

    def test_rays_own_schema_takes_it(self, config):
        from ray.autoscaler._private.util import prepare_config, validate_config

        validate_config(prepare_config(config))

    def test_rays_own_schema_refuses_what_it_does_not_know(self, config):
        from jsonschema import ValidationError
        from ray.autoscaler._private.util import validate_config

        with pytest.raises((ValidationError, ValueError)):
            validate_config({**config, "worker_ips": []})

    def test_every_node_starts_with_a_token_and_options_that_exist(self, config):
        for name in ("head_start_ray_commands", "worker_start_ray_commands"):
            start = config[name][-1]
            assert start.startswith("RAY_AUTH_MODE=token ")
            assert given(start.replace("$(", "").replace(")", "")) <= options("ray", "start")
        assert "~/.ray/auth_token" in config["file_mounts"]
        assert "--dashboard-host=127.0.0.1" in config["head_start_ray_commands"][-1]

    def test_the_record_the_environment_and_secrets_stay_at_home(self, config):
        kept = {".venv", ".git", "mlruns", ".env", ".sie-slurm-*", "/data"}
        assert kept <= set(config["rsync_exclude"])

    def test_rsync_leaves_out_just_that(self, config, tmp_path):
        home, node = tmp_path / "home", tmp_path / "node"
        stays = [".env", "docker/.env", ".sie-slurm-7/token", "data/obelix/database.json"]
        goes = [
            "sie/datasets/data/starter.yaml",
            "sie/models/data/weights.npz",
            "docker/Dockerfile",
        ]
        for name in (*stays, *goes):
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_text("")
        # as ray up calls it
        left_out = [word for name in config["rsync_exclude"] for word in ("--exclude", name)]
        subprocess.run([tool("rsync"), "-az", *left_out, f"{home}/", f"{node}/"], check=True)
        came = {str(path.relative_to(node)) for path in node.rglob("*") if path.is_file()}
        assert came == set(goes)


class TestJobSubmission:
    def test_ray_takes_the_runtime_environment(self, monkeypatch):
        from ray.runtime_env import RuntimeEnv

        monkeypatch.chdir(DOCKER.parent)
        told = yaml.safe_load((DOCKER / "runtime_env.yaml").read_text())
        assert told["working_dir"] == "."
        made = RuntimeEnv(**told)
        (line,) = made["pip"]["packages"]
        assert line == "-r ${RAY_RUNTIME_ENV_CREATE_WORKING_DIR}/requirements/lock.txt"
        assert "--require-hashes" in made["pip"]["pip_install_options"]
        assert Path(line.rpartition("}/")[2]).exists()


def _by_schema(resource: dict) -> None:
    validate = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate is not installed (pip install -e .[dev])"
    )
    validate.validate(resource, validate.latest_version(), strict=True)


def _runs_without_rights(pod: dict) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    for container in pod["containers"]:
        rights = container["securityContext"]
        assert rights["allowPrivilegeEscalation"] is False
        assert rights["capabilities"] == {"drop": ["ALL"]}
