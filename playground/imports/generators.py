"""What image generators write into their files: prompt, model and settings.

| tool | where |
|---|---|
| AUTOMATIC1111, Forge, SD.Next | PNG `parameters`; Exif UserComment in JPEG and WebP |
| ComfyUI | PNG `prompt` and `workflow`; Exif Make and Model in WebP |
| InvokeAI | PNG `invokeai_metadata`, `sd-metadata`, `Dream` |
| NovelAI | PNG `Software`, `Description`, `Comment` |
| Fooocus | `parameters` as JSON, with `fooocus_scheme` |
| SwarmUI | `parameters` as JSON with `sui_image_params` |
| Easy Diffusion | PNG texts by setting; JSON in Exif |
| Draw Things | JSON in XMP exif:UserComment |
| Midjourney | PNG `Description` with a job id |

None of these formats is a standard; they are as their programs write them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from playground.imports import comfyui
from playground.imports.embedded import Embedded
from playground.imports.made import Made, file_of, json_of, size_of

_MAX_LINE_CHARS = 20_000
_SETTING = re.compile(r'([\w][\w /\-]{0,60}):\s*("(?:[^"\\]|\\.)*"|[^,]*)(?:,|$)')


def recognise(found: Embedded, xmp: Mapping[str, list[str]]) -> Made | None:
    """Which tool made a file and how; None when no tool is known by its texts."""
    texts = found.texts
    comment = found.exif.get("UserComment", "")
    if "invokeai_metadata" in texts or "sd-metadata" in texts or "Dream" in texts:
        return _invoke(texts)
    if texts.get("Software") == "NovelAI" or texts.get("Title") == "NovelAI generated image":
        return _novel(texts)
    if "Job ID:" in texts.get("Description", ""):
        return _midjourney(texts["Description"])
    for text in (texts.get("parameters", ""), comment, texts.get("Comment", "")):
        made = _parameters(text, texts)
        if made is not None:
            return made
    graph = texts.get("prompt") or _labelled(found.exif, "prompt:")
    workflow = texts.get("workflow") or _labelled(found.exif, "workflow:")
    if graph.lstrip().startswith("{") or workflow.lstrip().startswith("{"):
        return comfyui.read(graph, workflow)
    if "use_stable_diffusion_model" in texts or "Stable Diffusion model" in texts:
        return _settings(texts, "Easy Diffusion")
    for text in xmp.get("exif:UserComment", []):
        data = json_of(text)
        if isinstance(data, dict) and "c" in data:
            return _settings({**data, "prompt": data["c"], "negative_prompt": data.get("uc", "")},
                             "Draw Things", skip={"c", "uc", "v2"})  # fmt: skip
    return None


def _parameters(text: str, texts: Mapping[str, str]) -> Made | None:
    """A parameters text: lines as AUTOMATIC1111 writes them, or the JSON of those after it."""
    if not text.strip():
        return None
    data = json_of(text)
    if isinstance(data, dict):
        if isinstance(data.get("sui_image_params"), dict):
            return _settings(data["sui_image_params"], "SwarmUI")
        if "base_model" in data or "fooocus_scheme" in texts:
            return _settings(data, "Fooocus")
        if "prompt" in data or "Prompt" in data:
            return _settings(data, "Easy Diffusion" if "sampler_name" in data else "JSON")
        return None
    if "parameters" not in texts and not re.search(r"(?m)^(Steps: \d|Negative prompt: )", text):
        return None  # a comment like any other
    return _lines(text)


def _lines(text: str) -> Made:
    lines = text.strip().splitlines()
    settings = ""
    last = lines[-1][:_MAX_LINE_CHARS] if lines else ""
    if last.startswith("Steps") or len(_SETTING.findall(last)) >= 3:
        settings = last
        lines.pop()
    prompt: list[str] = []
    negative: list[str] = []
    into = False
    for line in lines:
        if line.startswith("Negative prompt:"):
            into = True
            line = line.removeprefix("Negative prompt:").lstrip()
        (negative if into else prompt).append(line)
    known = {name: value.strip('"') for name, value in _SETTING.findall(settings)}
    version = known.get("Version", "")
    tool = "AUTOMATIC1111"
    for sign, name in (("Fooocus", "Fooocus"), ("ComfyUI", "ComfyUI"), ("Halfpenny", "Halfpenny")):
        if sign in version:
            tool = name
    if version.startswith("f") and "v1." in version:
        tool = "Forge"
    return Made(
        tool,
        "\n".join(prompt).strip(),
        "\n".join(negative).strip(),
        known.get("Model", ""),
        size_of(known.get("Size", "")),
        settings,
    )


def _settings(data: Mapping[str, Any], tool: str, skip: set[str] | None = None) -> Made:
    """A flat mapping of settings, whose names differ a little from tool to tool."""

    def first(*names: str) -> str:
        for name in names:
            value = data.get(name)
            if isinstance(value, str | int | float) and not isinstance(value, bool):
                return str(value)
            if isinstance(value, Mapping):  # InvokeAI describes its model
                inner = value.get("model_name") or value.get("name")
                if isinstance(inner, str):
                    return inner
        return ""

    prompt = first("prompt", "Prompt", "positive_prompt", "full_prompt")
    negative = first(
        "negative_prompt", "Negative Prompt", "negativeprompt", "uc", "negative_style_prompt"
    )
    model = first(
        "model", "base_model", "Stable Diffusion model", "use_stable_diffusion_model",
        "model_weights", "model_name",
    )  # fmt: skip
    size = size_of(first("size", "resolution", "Resolution"))
    width, height = first("width", "Width"), first("height", "Height")
    if not size and width and height:
        size = size_of(f"{width}x{height}")
    hidden = {"prompt", "Prompt", "positive_prompt", "negative_prompt", "Negative Prompt", "uc"}
    hidden |= {"full_prompt", "full_negative_prompt", "negativeprompt", *(skip or ())}
    settings = ", ".join(
        f"{name}: {value}"
        for name, value in list(data.items())[:200]
        if name not in hidden
        and isinstance(value, str | int | float)
        and not isinstance(value, bool)
        and len(str(value)) <= 200
        and value != ""
    )
    return Made(tool, prompt.strip(), negative.strip(), file_of(model), size, settings)


def _invoke(texts: Mapping[str, str]) -> Made | None:
    data = json_of(texts.get("invokeai_metadata", ""))
    if isinstance(data, dict):
        return _settings(data, "InvokeAI")
    data = json_of(texts.get("sd-metadata", ""))
    if isinstance(data, dict) and isinstance(data.get("image"), dict):
        image = dict(data["image"])
        prompt = image.get("prompt")
        if isinstance(prompt, list) and prompt and isinstance(prompt[0], dict):
            image["prompt"] = prompt[0].get("prompt", "")
        made = _settings({"model_weights": data.get("model_weights", ""), **image}, "InvokeAI")
        positive, negative = _bracketed(made.prompt)
        return Made(
            "InvokeAI", positive, negative or made.negative, made.model, made.size, made.settings
        )
    dream = texts.get("Dream", "")
    quoted = re.match(r'\s*"((?:[^"\\]|\\.)*)"(.*)', dream, re.DOTALL)
    positive, negative = _bracketed(quoted[1] if quoted else dream)
    return Made("InvokeAI", positive, negative, settings=quoted[2].strip() if quoted else "")


def _bracketed(prompt: str) -> tuple[str, str]:
    """A prompt whose unwanted part stands in brackets at its end."""
    found = re.fullmatch(r"(.*?)\[([^\[\]]*)\]\s*", prompt, re.DOTALL)
    return (found[1].strip(), found[2].strip()) if found else (prompt.strip(), "")


def _novel(texts: Mapping[str, str]) -> Made:
    data = json_of(texts.get("Comment", ""))
    details = data if isinstance(data, dict) else {}
    made = _settings({**details, "model": texts.get("Source", "")}, "NovelAI")
    prompt = texts.get("Description", "").strip() or made.prompt
    return Made("NovelAI", prompt, made.negative, made.model, made.size, made.settings)


def _midjourney(text: str) -> Made:
    words, _, job = text.partition("Job ID:")
    prompt, *flags = re.split(r"\s(?=--\w)", words.strip())
    version = next((flag[4:].strip() for flag in flags if flag.startswith("--v ")), "")
    return Made(
        "Midjourney",
        prompt.strip(),
        model=f"midjourney {version}".strip(),
        settings=" ".join([*flags, f"job {job.strip()}"]),
    )


def _labelled(exif: Mapping[str, str], label: str) -> str:
    for name in ("Model", "Make", "ImageDescription"):
        text = exif.get(name, "")
        if text.lower().startswith(label):
            return text[len(label) :]
    return ""
