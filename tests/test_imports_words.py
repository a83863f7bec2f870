"""What other tools write into pictures is read; what strangers write is bounded."""

from __future__ import annotations

import io
import json
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from playground.imports import comfyui, embedded, exif, generators, iptc, words, xmp
from playground.imports.made import json_of

A1111 = (
    "a glass desert, (dunes:1.2)\nat noon\nNegative prompt: blurry, text\n"
    "Steps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 42, Size: 976x704, "
    'Model hash: 31e35c80fc, Model: sd_xl_base_1.0, Lora hashes: "a: 1, b: 2", Version: v1.9.4'
)
COMFY = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 42, "steps": 20, "cfg": 8.0, "sampler_name": "euler", "scheduler": "normal",
            "denoise": 1.0, "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sub\\v1-5.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 512}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a glass desert", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "text, watermark", "clip": ["4", 1]}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "C"}},
}  # fmt: skip
FLUX = {
    "22": {"class_type": "BasicGuider", "inputs": {"model": ["12", 0], "conditioning": ["26", 0]}},
    "26": {"class_type": "FluxGuidance", "inputs": {"guidance": 3.5, "conditioning": ["6", 0]}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": ["50", 0], "clip": ["11", 0]}},
    "50": {"class_type": "PrimitiveString", "inputs": {"value": "a glass desert"}},
    "12": {"class_type": "UNETLoader", "inputs": {"unet_name": "flux1-dev.safetensors"}},
    "13": {"class_type": "SamplerCustomAdvanced", "inputs": {"guider": ["22", 0]}},
}
INVOKE = {
    "positive_prompt": "a glass desert", "negative_prompt": "blurry", "seed": 42, "steps": 30,
    "width": 976, "height": 704, "model": {"model_name": "sdxl", "base_model": "sdxl"},
}  # fmt: skip
FOOOCUS = {
    "prompt": "a glass desert", "negative_prompt": "blurry",
    "base_model": "juggernautXL_v8.safetensors",
    "resolution": "(976, 704)", "seed": "42", "sampler": "dpmpp_2m", "version": "Fooocus v2.5.5",
}  # fmt: skip


def png(**texts: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    for name, text in texts.items():
        info.add_itxt(name.replace("__", "-"), text, zip=len(text) > 5_000)
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "png", pnginfo=info)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "tool", "model", "negative", "size"),
    [
        (png(parameters=A1111), "AUTOMATIC1111", "sd_xl_base_1.0", "blurry, text", "976x704"),
        (png(prompt=json.dumps(COMFY)), "ComfyUI", "v1-5", "text, watermark", None),
        (png(prompt=json.dumps(FLUX), workflow="{}"), "ComfyUI", "flux1-dev", "", None),
        (png(invokeai_metadata=json.dumps(INVOKE)), "InvokeAI", "sdxl", "blurry", "976x704"),
        (
            png(sd__metadata=json.dumps({"model_weights": "sd-1.5", "image": {
                "prompt": [{"prompt": "a glass desert [blurry]", "weight": 1.0}],
                "width": 976, "height": 704}})),
            "InvokeAI", "sd-1.5", "blurry", "976x704",
        ),
        (png(Dream='"a glass desert [blurry]" -s 50 -S 42'), "InvokeAI", None, "blurry", None),
        (
            png(Title="NovelAI generated image", Description="a glass desert", Software="NovelAI",
                Source="NovelAI Diffusion V4 37442FCA",
                Comment=json.dumps({"uc": "blurry", "width": 976, "height": 704, "steps": 28})),
            "NovelAI", "NovelAI Diffusion V4 37442FCA", "blurry", "976x704",
        ),
        (
            png(parameters=json.dumps(FOOOCUS), fooocus_scheme="fooocus"),
            "Fooocus", "juggernautXL_v8", "blurry", "976x704",
        ),
        (
            png(parameters=json.dumps({"sui_image_params": {"prompt": "a glass desert",
                "negativeprompt": "blurry", "model": "OfficialStableDiffusion/sd_xl", "width": 976,
                "height": 704}})),
            "SwarmUI", "sd_xl", "blurry", "976x704",
        ),
        (
            png(prompt="a glass desert", negative_prompt="blurry", width="976", height="704",
                use_stable_diffusion_model="models/sd-v1-4.ckpt"),
            "Easy Diffusion", "sd-v1-4", "blurry", "976x704",
        ),
        (
            png(Description="a glass desert --ar 3:2 --v 6.1 Job ID: 1b2c", Author="x"),
            "Midjourney", "midjourney 6.1", "", None,
        ),
    ],
)  # fmt: skip
def test_the_prompt_of_other_tools_is_read(data, tool, model, negative, size):
    known = words.about(data, "png")
    assert known.prompt.splitlines()[0].startswith("a glass desert")
    assert (known.source, known.kind, known.model, known.asked_size) == (tool, "image", model, size)
    assert known.note.startswith(f"Made with {tool}")
    assert negative in known.note
    assert "seed" not in known.prompt.lower()


@pytest.mark.parametrize("format_", ["jpeg", "webp"])
@pytest.mark.parametrize("order", ["utf-16-be", "utf-16-le"])
def test_parameters_in_exif_are_read_in_either_byte_order(format_, order, photo_file):
    made = Image.Exif()
    made.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + f"{A1111} é".encode(order)
    known = words.about(photo_file(format_, exif=made), format_)
    assert known.prompt == "a glass desert, (dunes:1.2)\nat noon"
    assert known.model == "sd_xl_base_1.0"


def test_comfyui_in_webp_is_read(photo_file):
    made = Image.Exif()
    made[0x0110] = "prompt:" + json.dumps(COMFY)
    made[0x010F] = "workflow:{}"
    known = words.about(photo_file("webp", exif=made), "webp")
    assert (known.source, known.prompt) == ("ComfyUI", "a glass desert")


def test_a_drawing_of_a_workflow_gives_its_longest_text():
    nodes = [
        {"type": "CLIPTextEncode", "widgets_values": ["bad"]},
        {"type": "CLIPTextEncode", "widgets_values": ["a glass desert"]},
        {"type": "CheckpointLoaderSimple", "widgets_values": ["x.safetensors"]},
    ]
    made = comfyui.read("", json.dumps({"nodes": nodes}))
    assert made is not None
    assert (made.prompt, made.model) == ("a glass desert", "x")


def test_loops_and_odd_links_in_a_graph_end():
    loop = {
        "1": {"class_type": "KSampler", "inputs": {"positive": ["2", 0], "negative": ["9", 0]}},
        "2": {"class_type": "X", "inputs": {"a": ["3", 0], "b": [], "c": [None, 1]}},
        "3": {"class_type": "X", "inputs": {"a": ["2", 0], "b": ["1", 0]}},
        "4": 7,
        "5": {"inputs": "none"},
    }
    made = comfyui.read(json.dumps(loop), "")
    assert made is not None
    assert made.prompt == ""


def photographed(photo_file) -> bytes:
    """A photo as an editor leaves it: XMP and IPTC, and Exif with a place and a camera."""
    from playground.exports import containers

    packet = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
        b'syntax-ns#"><rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" '
        b'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"><dc:description><rdf:Alt>'
        b'<rdf:li xml:lang="de">D\xc3\xbcnen</rdf:li><rdf:li xml:lang="x-default">Dunes at noon'
        b"</rdf:li></rdf:Alt></dc:description><dc:subject><rdf:Bag><rdf:li>sand</rdf:li><rdf:li>sea"
        b"</rdf:li></rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    made = containers.embed(photo_file("jpeg"), "jpeg", containers.Words(packet))
    assert made is not None
    return made


def test_captions_keywords_and_stars_of_photos_are_read(photo_file):
    known = words.about(photographed(photo_file), "jpeg")
    assert (known.kind, known.rating, known.tags) == ("photo", 4, ("sand", "sea"))
    assert [(one.text, one.model) for one in known.captions] == [("Dunes at noon", words.BY)]
    assert known.source == "photo metadata"


def test_a_sidecar_counts_more_than_the_file(photo_file):
    sidecar = (
        b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        b'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="5"/></rdf:RDF>'
    )
    known = words.about(photographed(photo_file), "jpeg", sidecar)
    assert (known.rating, known.tags, known.source) == (5, ("sand", "sea"), "XMP sidecar")


def test_places_and_serial_numbers_are_not_read(photo_file):
    made = Image.Exif()
    made[0x010F] = "CANARY maker"
    made[0x0110] = "CANARY camera"
    made[0x010E] = "OLYMPUS DIGITAL CAMERA"
    made.get_ifd(0x8825)[29] = "CANARY place"
    made.get_ifd(0x8769)[0xA431] = "CANARY serial"
    known = words.about(photo_file("jpeg", exif=made), "jpeg")
    assert "CANARY" not in repr(known)
    assert known == words.Known()


# -- hostile ---------------------------------------------------------------------------------------


def test_a_megabyte_of_text_and_ten_thousand_tags_are_cut():
    tags = "".join(f"<rdf:li>tag {n} {'x' * 100}</rdf:li>" for n in range(10_000))
    packet = (
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:subject><rdf:Bag>'
        f"{tags}</rdf:Bag></dc:subject><dc:description>{'ä' * 400_000}</dc:description>"
        f"<dc:title>{'t' * 5_000}</dc:title></rdf:Description></rdf:RDF>"
    )
    data = png(parameters="p" * 1_000_000, **{"XML:com.adobe.xmp": packet})
    known = words.about(data, "png")
    assert len(known.prompt) == words.MAX_PROMPT_CHARS
    assert len(known.tags) == words.MAX_TAGS
    assert max(map(len, known.tags)) <= words.MAX_TAG_CHARS
    assert len(known.captions[0].text.encode()) <= words.MAX_CAPTION_BYTES
    assert len(known.title) == words.MAX_TITLE_CHARS


def test_control_characters_do_not_come_in():
    known = words.about(png(parameters="a\x1b]0;x\x07\x00b\x9bc\r\nd"), "png")
    assert known.prompt == "a]0;xbc\nd"


def test_a_chunk_that_expands_a_thousandfold_is_cut():
    bomb = zlib.compress(b"a" * (64 << 20), 9)
    content = b"parameters\0\0" + bomb
    chunk = struct.pack(">I", len(content)) + b"zTXt" + content
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + content))
    data = png()
    found = embedded.read(data[:33] + chunk * 8 + data[33:], "png")
    assert sum(map(len, found.texts.values())) <= 4 << 20


def test_a_million_tiny_chunks_end():
    chunk = struct.pack(">I", 3) + b"tEXta\0b" + struct.pack(">I", 0)
    found = embedded.read(png()[:33] + chunk * 100_000, "png")
    assert found.texts == {"a": "b"}


@pytest.mark.parametrize(
    "packet",
    [
        b'<!DOCTYPE a [<!ENTITY b "c">]><rdf:RDF xmlns:rdf="x">&b;</rdf:RDF>',
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'.encode("utf-16"),
        b"<a" * 100_000,
        b"<a>" * 100_000 + b"</a>" * 100_000,
        b"<rdf:RDF",
        b"\xff\xfe\x00",
        b"",
    ],
)
def test_a_packet_with_entities_or_without_sense_says_nothing(packet):
    assert xmp.read(packet) == {}


def test_long_lines_and_crowded_graphs_are_read_in_passing():
    line = f"a\n{'1' + ' ' * 900_000}x"
    found = generators.recognise(embedded.Embedded(texts={"parameters": line}), {})
    assert found is not None
    assert found.prompt.startswith("a")
    links = {f"l{n}": [str(n * 97 % 2_000), 0] for n in range(20)}
    nodes = {str(n): {"inputs": {"positive": [str(n + 1), 0], **links}} for n in range(2_000)}
    made = comfyui.read(json.dumps(nodes), "")
    assert made is not None
    assert made.prompt == ""


def test_deeply_nested_json_is_no_json():
    assert json_of("[" * 200_000) is None
    assert json_of("{" + '"a":{' * 50_000) is None
    assert json_of('{"a": ' + "9" * 10_000 + "}") == {"a": "9" * 10_000}


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_no_bytes_break_a_reader(data):
    heads = {"png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8", "webp": b"RIFF\0\0\0\0WEBP"}
    for format_, head in heads.items():
        assert embedded.read(head + data, format_) is not None
    for order in (b"II*\0", b"MM\0*"):
        assert isinstance(exif.read(order + data), dict)
    assert isinstance(iptc.read(data), dict)
    assert isinstance(iptc.read(b"8BIM\x04\x04\0\0" + data), dict)
    assert isinstance(xmp.read(data), dict)


@settings(max_examples=200)
@given(st.text(max_size=200))
def test_no_text_breaks_a_recogniser(text):
    for key in ("parameters", "prompt", "workflow", "invokeai_metadata", "sd-metadata", "Dream",
                "Comment", "Description", "Software"):  # fmt: skip
        found = embedded.Embedded(texts={key: text})
        made = generators.recognise(found, {"exif:UserComment": [text]})
        assert made is None or isinstance(made.prompt, str)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["inputs", "class_type", "text", "positive", "prompt", "image", "1", "2",
                         "model", "width", "nodes", "widgets_values", "sui_image_params", "c"]),
        inner, max_size=5),
    max_leaves=25,
)  # fmt: skip


@settings(max_examples=300)
@given(json_values)
def test_no_json_breaks_a_recogniser(value):
    text = json.dumps(value)
    for key in ("parameters", "prompt", "workflow", "invokeai_metadata", "sd-metadata", "Comment"):
        texts = {key: text, "Software": "NovelAI" if key == "Comment" else ""}
        found = embedded.Embedded(texts=texts)
        made = generators.recognise(found, {"exif:UserComment": [text]})
        assert made is None or isinstance(made.prompt, str)
