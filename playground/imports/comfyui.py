"""ComfyUI: the prompt at the end of the links that lead to a sampler.

A file holds the graph that was run (`prompt`: nodes by id, inputs that are values or links
`[node, output]`) and its drawing (`workflow`), both JSON.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from playground.imports.made import Made, file_of, json_of, plain

_MAX_NODES = 2_000
_MAX_SAMPLERS = 8
_TEXTS = ("text", "text_g", "text_l", "t5xxl", "clip_l", "prompt", "string", "value", "positive")
_MODELS = ("ckpt_name", "unet_name", "model_name", "checkpoint", "gguf_name")
_LINKS = ("positive", "conditioning", "conditioning_1", "guider", "cond", "base_positive")
_SAMPLER = ("seed", "noise_seed", "steps", "cfg", "sampler_name", "scheduler", "denoise")


def read(graph: str, workflow: str) -> Made | None:
    """How the graph made its picture; of the drawing alone, its longest text."""
    nodes = json_of(graph)
    if not isinstance(nodes, dict) or not nodes:
        return _workflow(json_of(workflow))
    known = {
        str(key): node["inputs"]
        for key, node in list(nodes.items())[:_MAX_NODES]
        if isinstance(node, dict) and isinstance(node.get("inputs"), dict)
    }
    kinds = {key: str(nodes[key].get("class_type", "")) for key in known if key in nodes}
    prompt = negative = ""
    settings: dict[str, Any] = {}
    samplers = [key for key, one in known.items() if "positive" in one or "guider" in one]
    for key in samplers[:_MAX_SAMPLERS]:
        found = _traced(known, key, _LINKS)
        if len(found) > len(prompt):
            prompt = found
            negative = _traced(known, key, ("negative", "base_negative"))
        here = known[key]
        settings.update((name, here[name]) for name in _SAMPLER if plain(here.get(name)))
    if not prompt:
        written = [
            text
            for key, inputs in known.items()
            if "TextEncode" in kinds.get(key, "")
            for text in [_own_text(known, inputs)]
        ]
        prompt = max(written, key=len, default="")
    model = next(
        (inputs[name] for inputs in known.values() for name in _MODELS if plain(inputs.get(name))),
        "",
    )
    told = ", ".join(f"{name}: {value}" for name, value in settings.items())
    return Made("ComfyUI", prompt.strip(), negative.strip(), file_of(str(model)), settings=told)


def _traced(known: Mapping[str, Mapping[str, Any]], start: str, links: tuple[str, ...]) -> str:
    """The text at the end of the links that begin at a sampler; loops end."""
    waiting = deque(known[start].get(name) for name in links)
    seen: set[str] = set()
    while waiting:
        link = waiting.popleft()
        if not isinstance(link, list) or not link or str(link[0]) in seen:
            continue
        key = str(link[0])
        seen.add(key)
        inputs = known.get(key)
        if inputs is None:
            continue
        text = _own_text(known, inputs)
        if text:
            return text
        waiting += [
            value
            for value in inputs.values()
            if isinstance(value, list) and value and str(value[0]) not in seen
        ]
    return ""


def _own_text(known: Mapping[str, Mapping[str, Any]], inputs: Mapping[str, Any]) -> str:
    for name in _TEXTS:
        value = inputs.get(name)
        if isinstance(value, list) and value and str(value[0]) in known and name != "positive":
            # The text may come out of a node of its own.
            inner = known[str(value[0])]
            value = next((inner[one] for one in _TEXTS if isinstance(inner.get(one), str)), None)
        if isinstance(value, str) and value.strip():
            return value
    return ""


def _workflow(workflow: Any) -> Made | None:
    """Only the drawing of a workflow: the longest text of its text nodes."""
    if not isinstance(workflow, dict) or not isinstance(workflow.get("nodes"), list):
        return None
    texts, models = [], []
    for node in workflow["nodes"][:_MAX_NODES]:
        if not isinstance(node, dict) or not isinstance(node.get("widgets_values"), list):
            continue
        values = [value for value in node["widgets_values"] if isinstance(value, str)]
        kind = str(node.get("type", ""))
        if "TextEncode" in kind:
            texts += values[:1]
        elif "Loader" in kind and ("Checkpoint" in kind or "UNET" in kind):
            models += values[:1]
    prompt = max(texts, key=len, default="")
    return Made("ComfyUI", prompt.strip(), model=file_of(models[0]) if models else "")
