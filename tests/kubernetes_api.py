"""A stub of the Kubernetes API for kubectl and Helm: it keeps objects, each write checked against the API's schema.

Like the real one it wants the namespace first, refuses a change of what cannot be changed, and counts versions. Unlike
it nothing comes of the objects: no pod is scheduled, no default is filled in, nobody is asked for a right.
"""

import copy
import json
import re
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from aiohttp import web

from tests.ports import free_port
from tests.strategic_merge import merged

Object = dict[str, Any]

VERSION = "1.34"
_APPLY = "application/apply-patch+yaml"
_NOTED = ("uid", "resourceVersion", "generation")
"""What the API notes in an object."""
_STRATEGIC, _MERGE = "application/strategic-merge-patch+json", "application/merge-patch+json"
_FIXED = {"Deployment": ("selector",), "StatefulSet": ("selector", "serviceName", "volumeClaimTemplates")}
"""What of a spec can never be changed."""


@dataclass(frozen=True, slots=True)
class _Kind:
    group_version: str
    name: str
    plural: str
    is_namespaced: bool = True
    is_custom: bool = False

    @property
    def root(self) -> str:
        return f"/{'apis' if '/' in self.group_version else 'api'}/{self.group_version}"


_KINDS = (
    _Kind("v1", "Namespace", "namespaces", is_namespaced=False),
    _Kind("v1", "ConfigMap", "configmaps"),
    _Kind("v1", "Secret", "secrets"),
    _Kind("v1", "Service", "services"),
    _Kind("v1", "ServiceAccount", "serviceaccounts"),
    _Kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    _Kind("apps/v1", "Deployment", "deployments"),
    _Kind("apps/v1", "StatefulSet", "statefulsets"),
    _Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    _Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    _Kind("networking.k8s.io/v1", "Ingress", "ingresses"),
    _Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    _Kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes", is_custom=True),
    _Kind("monitoring.coreos.com/v1", "PodMonitor", "podmonitors", is_custom=True),
    _Kind("keda.sh/v1alpha1", "ScaledObject", "scaledobjects", is_custom=True),
)


@dataclass(frozen=True, slots=True)
class _Target:
    """What a request is about: one object, or, without a name, all of a kind."""

    kind: _Kind
    namespace: str
    name: str

    @property
    def path(self) -> str:
        inside = f"/namespaces/{self.namespace}" if self.namespace else ""
        return f"{self.kind.root}{inside}/{self.kind.plural}/{self.name}"


class _RefusedError(Exception):
    """What the API answers in place of an object."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason = code, reason


@dataclass
class KubernetesApi:
    """The objects by their paths."""

    url: str = ""
    objects: dict[str, Object] = field(default_factory=dict)

    def find(self, kind: str, name: str = "") -> list[Object]:
        """Return the objects of a kind, or the one of that name."""
        kinds = [one for one in self.objects.values() if one["kind"] == kind]
        return [one for one in kinds if not name or one["metadata"]["name"] == name]

    def config(self, folder: Path) -> dict[str, str]:
        """Return the environment in which kubectl speaks to this."""
        file = folder / "kubeconfig"
        cluster = {"name": "stub", "cluster": {"server": self.url}}
        context = {"name": "stub", "context": {"cluster": "stub", "user": ""}}
        kept = {"clusters": [cluster], "contexts": [context], "current-context": "stub"}
        file.write_text(json.dumps({"apiVersion": "v1", "kind": "Config"} | kept))
        return {"KUBECONFIG": str(file), "HOME": str(folder)}

    async def answer(self, request: web.Request) -> web.Response:
        """Answer whatever kubectl asks."""
        try:
            found, code = await self._answer(request), 201 if request.method == "POST" else 200
        except _RefusedError as refused:
            found, code = _status(refused), refused.code
        return web.json_response(found, status=code)

    async def _answer(self, request: web.Request) -> Object:
        known = _discovery(request.path)
        if known is not None:
            return known
        target = _target(request.path)
        text = await request.text()
        body = (yaml.safe_load if request.content_type == _APPLY else json.loads)(text or "{}")
        strict = request.query.get("fieldValidation") == "Strict"
        if request.method == "GET":
            return self._stored(target.path)
        if request.method == "POST":
            return self._create(replace(target, name=body["metadata"]["name"]), body, strict=strict)
        if request.method == "DELETE":
            self._stored(target.path)
            return self.objects.pop(target.path)
        if request.content_type == _APPLY:
            return self._apply(target, body, strict=strict)
        if request.method == "PATCH":
            patched = _patched(request.content_type, self._stored(target.path), body)
            return self._replace(target, patched, strict=strict)
        raise _RefusedError(405, "MethodNotAllowed", f"{request.method} is not known here")

    def _apply(self, target: _Target, new: Object, *, strict: bool) -> Object:
        """Apply on the server's side, for a manager that owns every field: whatever it does not say any more goes."""
        if target.path in self.objects:
            return self._replace(target, _kept(new, self.objects[target.path]), strict=strict)
        return self._create(target, new, strict=strict)

    def _stored(self, path: str) -> Object:
        if path not in self.objects:
            raise _RefusedError(404, "NotFound", f'"{path}" not found')
        return self.objects[path]

    def _create(self, target: _Target, new: Object, *, strict: bool) -> Object:
        if target.path in self.objects:
            raise _RefusedError(409, "AlreadyExists", f'"{target.path}" already exists')
        if target.namespace:
            self._stored(f"/api/v1/namespaces/{target.namespace}")
        _check(target.kind, new, strict=strict)
        new["metadata"] |= dict(zip(_NOTED, (str(uuid.uuid4()), "1", 1), strict=True))
        self.objects[target.path] = new
        return new

    def _replace(self, target: _Target, new: Object, *, strict: bool) -> Object:
        old = self.objects[target.path]
        _check(target.kind, new, strict=strict)
        for name in _FIXED.get(target.kind.name, ()):
            if old["spec"].get(name) != new["spec"].get(name):
                raise _RefusedError(422, "Invalid", f"spec.{name}: field is immutable")
        if new != old:
            new["metadata"]["resourceVersion"] = str(int(old["metadata"]["resourceVersion"]) + 1)
            new["metadata"]["generation"] += new.get("spec") != old.get("spec")
            self.objects[target.path] = new
        return self.objects[target.path]


@asynccontextmanager
async def kubernetes_api() -> AsyncIterator[KubernetesApi]:
    """Run the stub on loopback."""
    port = free_port()
    api = KubernetesApi(f"http://127.0.0.1:{port}")
    app = web.Application(client_max_size=1 << 24)
    app.router.add_route("*", "/{path:.*}", api.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield api
    finally:
        await runner.cleanup()


def _target(path: str) -> _Target:
    for kind in _KINDS:
        inside = r"/namespaces/(?P<namespace>[^/]+)" if kind.is_namespaced else "(?P<namespace>)"
        found = re.fullmatch(f"{re.escape(kind.root)}{inside}/{kind.plural}(/(?P<name>[^/]+))?", path)
        if found:
            return _Target(kind, found["namespace"], found["name"] or "")
    raise _RefusedError(404, "NotFound", "the server could not find the requested resource")


def _kept(new: Object, old: Object) -> Object:
    """Return ``new`` with what the API noted in ``old``."""
    return new | {"metadata": new["metadata"] | {name: old["metadata"][name] for name in _NOTED}}


def _patched(content_type: str, old: Object, patch: Object) -> Object:
    if content_type == _STRATEGIC:
        found: Object = merged(copy.deepcopy(old), patch)
    elif content_type == _MERGE:
        found = _merge(copy.deepcopy(old), patch)
    else:
        raise _RefusedError(415, "UnsupportedMediaType", f"{content_type} is not known here")
    return found


def _merge(old: Any, patch: Any) -> Any:
    """Apply a JSON merge patch (RFC 7386), which is for kinds that Kubernetes does not know."""
    if not isinstance(patch, dict):
        return patch
    found = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = _merge(found.get(name), value)
    return found


def _check(kind: _Kind, new: Object, *, strict: bool) -> None:
    if kind.is_custom:
        return
    try:
        kubernetes_validate.validate(new, VERSION, strict=strict)
    except kubernetes_validate.ValidationError as error:
        raise _RefusedError(422, "Invalid", f"{kind.name} is invalid: {error.message}") from error


def _status(refused: _RefusedError) -> Object:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": refused.code,
        "reason": refused.reason,
        "message": str(refused),
    }


def _discovery(path: str) -> Object | None:
    """Return what kubectl asks before it asks for objects: which kinds there are, and that writes are checked here."""
    versions = sorted({kind.group_version for kind in _KINDS})
    if path == "/version":
        return {"major": "1", "minor": VERSION.partition(".")[2], "gitVersion": f"v{VERSION}.0"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        groups = [_group(version) for version in versions if "/" in version]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    if path == "/openapi/v3":
        roots = {kind.root.removeprefix("/") for kind in _KINDS}
        return {"paths": {root: {"serverRelativeURL": f"/openapi/v3/{root}"} for root in roots}}
    for version in versions:
        kinds = [kind for kind in _KINDS if kind.group_version == version]
        if path == kinds[0].root:
            return _resources(version, kinds)
        if path == f"/openapi/v3{kinds[0].root}":
            return _open_api(kinds)
    return None


def _group(group_version: str) -> Object:
    name, _, version = group_version.partition("/")
    known = {"groupVersion": group_version, "version": version}
    return {"name": name, "versions": [known], "preferredVersion": known}


def _resources(group_version: str, kinds: list[_Kind]) -> Object:
    verbs = ["create", "get", "patch"]
    resources = [
        {
            "name": kind.plural,
            "singularName": kind.name.lower(),
            "namespaced": kind.is_namespaced,
            "kind": kind.name,
            "verbs": verbs,
        }
        for kind in kinds
    ]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": resources,
    }


def _open_api(kinds: list[_Kind]) -> Object:
    """Return that a patch of each kind may ask for its fields to be checked."""
    paths = {}
    for kind in kinds:
        group, _, version = kind.group_version.rpartition("/")
        known = {"group": group, "version": version, "kind": kind.name}
        parameter = {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}
        patch = {"parameters": [parameter], "x-kubernetes-group-version-kind": known, "responses": {}}
        paths[f"{kind.root}/{kind.plural}/{{name}}"] = {"patch": patch}
    return {"openapi": "3.0.0", "info": {"title": "stub", "version": VERSION}, "paths": paths}
