"""Makes the pictures of fixtures/cases/many.json and records what Pillow reads in them.

    python3 test/image/many_pictures.py     # needs Pillow with libtiff, WebP and AVIF

Formats x modes x depths x orientations x metadata, each a few hundred bytes. `rgb` is the SHA-256 of
ImageOps.exif_transpose(Image.open(f)).convert("RGB"); what differs carries its pixels, so that it can be
measured. What Pillow itself cannot read is left out.
"""

import base64
import hashlib
import io
import json
import random
import struct
import zlib
from pathlib import Path

import PIL
from PIL import Image, ImageOps, PngImagePlugin

W, H = 19, 13
random.seed(20261126)
pictures = {}


def add(name, data):
    pictures[name] = bytes(data)


def noise(mode, size=(W, H)):
    bands = len(mode) if mode in ("RGB", "RGBA", "CMYK", "LA") else 1
    return Image.frombytes(mode, size, random.randbytes(size[0] * size[1] * bands))


def smooth(size=(32, 24)):
    """Soft colours, for lossy formats."""
    image = Image.new("RGB", size)
    image.putdata([((x * 7) % 256, (y * 9) % 256, (x * 3 + y * 5) % 256) for y in range(size[1]) for x in range(size[0])])
    return image


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def exif(orientation, big=False):
    if big:
        body = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + struct.pack(">HH", orientation, 0) + b"\0\0\0\0"
    else:
        body = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0" + struct.pack("<HH", orientation, 0) + b"\0\0\0\0"
    return b"Exif\0\0" + body


def xmp(orientation, attribute=True):
    said = f'tiff:Orientation="{orientation}"/>' if attribute else f"><tiff:Orientation>{orientation}</tiff:Orientation></rdf:Description>"
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" ' + said + "</rdf:RDF></x:xmpmeta>"
    ).encode()


# PNG, written here: Pillow writes neither 16-bit colour nor interlaced rows nor chunks in odd places.
def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def png(colour, depth, interlaced=False, palette=None, before=b"", after=b"", split=0):
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    top = len(palette) // 3 if palette else 1 << depth
    pixels = [[[random.randrange(top) for _ in range(samples)] for _ in range(W)] for _ in range(H)]
    rows = b""
    for x0, y0, dx, dy in PASSES if interlaced else [(0, 0, 1, 1)]:
        for y in range(y0, H, dy):
            bits = "".join(format(v, f"0{depth}b") for x in range(x0, W, dx) for v in pixels[y][x])
            if bits:
                bits += "0" * (-len(bits) % 8)
                rows += b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")
    data = zlib.compress(rows)
    parts = [data] if not split else [data[i : i + split] for i in range(0, len(data), split)]
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", W, H, depth, colour, 0, 0, interlaced))
        + (chunk(b"PLTE", palette) if palette else b"")
        + before
        + b"".join(chunk(b"IDAT", part) for part in parts)
        + after
        + chunk(b"IEND", b"")
    )


def raw_profile(body):
    digits = body.hex()
    lines = "\n".join(digits[i : i + 72] for i in range(0, len(digits), 72))
    return f"\nexif\n{len(body):8}\n{lines}\n".encode()


for interlaced in (False, True):
    i = "_adam7" if interlaced else ""
    for colour, depths in {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}.items():
        for depth in depths:
            palette = random.randbytes(3 * min(1 << depth, 200)) if colour == 3 else None
            add(f"png/c{colour}_d{depth}{i}.png", png(colour, depth, interlaced, palette))
for depth in (1, 4, 8):
    palette = random.randbytes(3 << depth)
    add(f"png/palette_trns_{depth}.png", png(3, depth, palette=palette, before=chunk(b"tRNS", random.randbytes(1 << depth))))
add("png/grey_key.png", png(0, 8, before=chunk(b"tRNS", b"\0\x07")))
add("png/rgb_key.png", png(2, 8, before=chunk(b"tRNS", b"\0\1\0\2\0\3")))
add("png/many_idat.png", png(2, 8, split=7))
add("png/icc.png", saved(noise("RGB"), "PNG", icc_profile=b"\0" * 200))
add("png/gamma.png", png(2, 8, before=chunk(b"gAMA", struct.pack(">I", 22000)) + chunk(b"sRGB", b"\0")))
add("png/background.png", png(6, 8, before=chunk(b"bKGD", b"\0\xff\0\0\0\0")))
for o in range(1, 9):
    body = exif(o, o % 2 == 0)[6:]
    add(f"png/exif_before_{o}.png", png(2, 8, before=chunk(b"eXIf", body)))
    add(f"png/exif_after_{o}.png", png(2, 8, after=chunk(b"eXIf", body)))
    add(f"png/exif_prefixed_{o}.png", png(0, 8, before=chunk(b"eXIf", b"Exif\0\0" + body)))
    text = b"Raw profile type exif\0"
    profile = raw_profile(exif(o))
    kind = o % 3
    said = (
        chunk(b"tEXt", text + profile)
        if kind == 0
        else chunk(b"zTXt", text + b"\0" + zlib.compress(profile))
        if kind == 1
        else chunk(b"iTXt", text + b"\0\0\0\0" + profile)
    )
    add(f"png/raw_profile_{o}.png", png(3, 8, palette=random.randbytes(768), before=said))
    packet = b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(o, o % 2 == 0)
    add(f"png/xmp_{o}.png", png(6, 8, before=chunk(b"iTXt", packet)))
add("png/exif_and_xmp.png", png(2, 8, before=chunk(b"eXIf", exif(1)[6:]) + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(6))))
add("png/exif_0.png", png(2, 8, before=chunk(b"eXIf", exif(0)[6:])))
add("png/exif_9.png", png(2, 8, before=chunk(b"eXIf", exif(9)[6:])))
add("png/exif_short.png", png(2, 8, before=chunk(b"eXIf", exif(6)[6:16])))
add("png/animated.png", saved(noise("RGB"), "PNG", save_all=True, append_images=[noise("RGB")]))

# JPEG
for o in range(1, 9):
    add(f"jpeg/exif_{o}.jpg", saved(smooth(), "JPEG", quality=90, exif=exif(o)))
    add(f"jpeg/exif_big_{o}.jpg", saved(smooth().convert("L"), "JPEG", exif=exif(o, True)))
    add(f"jpeg/xmp_{o}.jpg", saved(smooth(), "JPEG", quality=80, xmp=xmp(o, o % 2 == 0)))
for subsampling in (0, 1, 2):
    for progressive in (False, True):
        for quality in (30, 75, 95):
            name = f"jpeg/s{subsampling}_q{quality}{'_progressive' if progressive else ''}.jpg"
            add(name, saved(smooth(), "JPEG", quality=quality, subsampling=subsampling, progressive=progressive))
add("jpeg/cmyk.jpg", saved(smooth().convert("CMYK"), "JPEG", quality=95))
add("jpeg/grey_progressive.jpg", saved(smooth().convert("L"), "JPEG", progressive=True))
add("jpeg/restarts.jpg", saved(smooth(), "JPEG", restart_marker_rows=1))
add("jpeg/rgb_kept.jpg", saved(smooth(), "JPEG", keep_rgb=True))
add("jpeg/exif_1_xmp_6.jpg", saved(smooth(), "JPEG", exif=exif(1), xmp=xmp(6)))
add("jpeg/comment.jpg", saved(smooth(), "JPEG", comment=b"x" * 300))
add("jpeg/odd_size.jpg", saved(smooth((17, 31)), "JPEG", quality=92))

# WebP
for o in range(1, 9):
    add(f"webp/exif_{o}.webp", saved(noise("RGB"), "WEBP", lossless=True, exif=exif(o)))
    add(f"webp/xmp_{o}.webp", saved(noise("RGB"), "WEBP", lossless=True, xmp=xmp(o)))
for quality in (20, 80, 100):
    add(f"webp/q{quality}.webp", saved(smooth(), "WEBP", quality=quality))
add("webp/alpha.webp", saved(noise("RGBA"), "WEBP", lossless=True, exact=True))
add("webp/alpha_lossy.webp", saved(smooth().convert("RGBA"), "WEBP", quality=70))
add("webp/animated.webp", saved(noise("RGB"), "WEBP", lossless=True, save_all=True, append_images=[noise("RGB")]))


# GIF, written here where Pillow would tidy it up.
def lzw(indices, bits):
    out, code = "", 1 << bits
    for at, index in enumerate(indices):
        if at % ((1 << bits) - 2) == 0:
            out = format(code, f"0{bits + 1}b") + out
        out = format(index, f"0{bits + 1}b") + out
    out = format(code + 1, f"0{bits + 1}b") + out
    out = "0" * (-len(out) % 8) + out
    data = int(out, 2).to_bytes(len(out) // 8, "little")
    blocks = b"".join(bytes([len(data[i : i + 255])]) + data[i : i + 255] for i in range(0, len(data), 255))
    return bytes([bits]) + blocks + b"\0"


def gif(canvas, frames, palette=None, background=0):
    bits = 5
    flags = 0x80 | (bits - 1) if palette else 0
    out = b"GIF89a" + struct.pack("<HHBBB", *canvas, flags, background, 0) + (palette or b"")
    for x, y, w, h, transparent, disposal, local, interlaced in frames:
        if transparent is not None or disposal:
            out += b"!\xf9\x04" + struct.pack("<BHBB", disposal << 2 | (transparent is not None), 5, transparent or 0, 0)
        out += b"," + struct.pack("<HHHHB", x, y, w, h, (0x80 | (bits - 1) if local else 0) | (0x40 if interlaced else 0))
        out += (local or b"") + lzw([random.randrange(1 << bits) for _ in range(w * h)], bits)
    return out + b";"


table = random.randbytes(3 << 5)
other = random.randbytes(3 << 5)
for name, frame in {
    "whole": (0, 0, W, H),
    "offset": (5, 3, 9, 7),
    "at_edge": (W - 9, H - 7, 9, 7),
    "over_edge": (12, 8, 15, 11),
}.items():
    for transparent in (None, 0, 3):
        for disposal in (0, 2, 3):
            t = "" if transparent is None else f"_t{transparent}"
            d = f"_d{disposal}" if disposal else ""
            add(f"gif/{name}{t}{d}.gif", gif((W, H), [(*frame, transparent, disposal, None, False)], table, 5))
add("gif/local.gif", gif((W, H), [(2, 2, 9, 7, None, 0, other, False)], table))
add("gif/local_only.gif", gif((W, H), [(2, 2, 9, 7, 4, 0, other, False)]))
add("gif/no_table.gif", gif((W, H), [(2, 2, 9, 7, None, 0, None, False)]))
add("gif/no_table_key.gif", gif((W, H), [(2, 2, 9, 7, 6, 0, None, False)]))
add("gif/interlaced.gif", gif((W, H), [(0, 0, W, H, None, 0, None, True)], table))
add("gif/two_frames.gif", gif((W, H), [(1, 1, 9, 7, 3, 2, None, False), (0, 0, W, H, None, 0, None, False)], table))
add("gif/first_larger_later.gif", gif((W, H), [(1, 1, 9, 7, None, 0, None, False), (5, 5, 30, 30, 1, 0, other, False)], table))
add("gif/pillow.gif", saved(noise("P"), "GIF"))
add("gif/grey.gif", saved(noise("L"), "GIF"))

# TIFF
for o in range(1, 9):
    add(f"tiff/orientation_{o}.tif", saved(noise("RGB"), "TIFF", tiffinfo={274: o}))
for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "LA"):
    image = noise("L").convert("1") if mode == "1" else noise(mode)
    if mode == "P":
        image.putpalette(random.randbytes(768))
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        add(f"tiff/{mode}_{compression}.tif", saved(image, "TIFF", compression=compression))
add("tiff/g4.tif", saved(noise("L").convert("1"), "TIFF", compression="group4"))
add("tiff/jpeg.tif", saved(smooth(), "TIFF", compression="jpeg"))
add("tiff/I16.tif", saved(Image.frombytes("I;16", (W, H), random.randbytes(W * H * 2)), "TIFF"))
add("tiff/pages.tif", saved(noise("RGB"), "TIFF", save_all=True, append_images=[noise("RGB")]))
add("tiff/big.tif", saved(noise("RGB"), "TIFF", big_tiff=True))


# BMP, written here: Pillow writes three kinds of it.
def bmp(bits, compression=0, header=40, masks=(), top_down=False, palette=(), data=None):
    stride = (W * bits + 31) // 32 * 4
    data = random.randbytes(stride * H) if data is None else data
    entry = 3 if header == 12 else 4
    table = b"".join(random.randbytes(3) + b"\0" * (entry - 3) for _ in range(palette)) if isinstance(palette, int) else b"".join(bytes(c) + b"\0" for c in palette)
    if header == 12:
        head = struct.pack("<IHHHH", 12, W, H, 1, bits)
    else:
        head = struct.pack("<IiiHHIIiiII", header, W, -H if top_down else H, 1, bits, compression, len(data), 2835, 2835, 0, 0)
        said = struct.pack(f"<{len(masks)}I", *masks)
        head += said if header == 40 else said + b"\0" * (header - 40 - len(said))
    offset = 14 + len(head) + len(table)
    return b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + head + table + data


for top in (False, True):
    t = "_top" if top else ""
    for bits in (1, 4, 8):
        add(f"bmp/palette_{bits}{t}.bmp", bmp(bits, palette=1 << bits, top_down=top))
    for bits in (16, 24, 32):
        add(f"bmp/rgb_{bits}{t}.bmp", bmp(bits, top_down=top))
    for header in (40, 52, 56, 108, 124):
        add(f"bmp/565_{header}{t}.bmp", bmp(16, 3, header, (0xF800, 0x7E0, 0x1F), top))
        add(f"bmp/555_{header}{t}.bmp", bmp(16, 3, header, (0x7C00, 0x3E0, 0x1F), top))
        for name, masks in {
            "bgrx": (0xFF0000, 0xFF00, 0xFF, 0),
            "xbgr": (0xFF000000, 0xFF0000, 0xFF00, 0),
            "rgba": (0xFF, 0xFF00, 0xFF0000, 0xFF000000),
            "bgra": (0xFF0000, 0xFF00, 0xFF, 0xFF000000),
        }.items():
            if header >= 56 or not masks[3]:
                add(f"bmp/{name}_{header}{t}.bmp", bmp(32, 3, header, masks if header >= 56 else masks[:3], top))
for bits in (1, 4, 8):
    add(f"bmp/os2_{bits}.bmp", bmp(bits, header=12, palette=1 << bits))
add("bmp/os2_24.bmp", bmp(24, header=12))
add("bmp/white_black.bmp", bmp(1, palette=[(255, 255, 255), (0, 0, 0)]))
add("bmp/grey.bmp", bmp(8, palette=[(i, i, i) for i in range(256)]))
runs = b"".join(bytes([W - 8, random.randrange(256), 0, 8]) + random.randbytes(8) + b"\0\0" for _ in range(H))
add("bmp/rle8.bmp", bmp(8, 1, palette=256, data=runs + b"\0\1"))
short = b"".join(bytes([5, random.randrange(256), 0, 0]) for _ in range(H))
add("bmp/rle8_short_rows.bmp", bmp(8, 1, palette=256, data=short + b"\0\1"))
runs = b"".join(bytes([W - 8, random.randrange(256), 0, 8]) + random.randbytes(4) + b"\0\0" for _ in range(H))
add("bmp/rle4.bmp", bmp(4, 2, palette=16, data=runs + b"\0\1"))

# AVIF
for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
    for quality in (60, 90):
        name = f"avif/{subsampling.replace(':', '')}_q{quality}.avif"
        add(name, saved(smooth(), "AVIF", subsampling=subsampling, quality=quality))
for o in (1, 3, 6, 8):
    add(f"avif/exif_{o}.avif", saved(smooth(), "AVIF", subsampling="4:4:4", exif=exif(o)))
add("avif/grey.avif", saved(smooth().convert("L"), "AVIF"))
add("avif/animated.avif", saved(smooth(), "AVIF", subsampling="4:4:4", save_all=True, append_images=[smooth().rotate(180)]))


def record(file):
    """Writes the pictures with what Pillow reads in them."""
    records = []
    for name, data in pictures.items():
        try:
            image = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
        except Exception as error:  # noqa: BLE001 - Pillow raises whatever it likes
            print("left out:", name, error)
            continue
        found = {"name": name, "size": image.size, "rgb": hashlib.sha256(image.tobytes()).hexdigest()}
        if name.startswith("avif/") or name == "tiff/white_is_zero_16.tif":
            found["pixels"] = base64.b64encode(zlib.compress(image.tobytes(), 9)).decode()
        records.append(found | {"file": base64.b64encode(data).decode()})
    lines = ",\n".join(json.dumps(one) for one in records)
    target = Path(__file__).parent / "fixtures" / "cases" / file
    target.write_text(f'{{"pillow": "{PIL.__version__}", "pictures": [\n{lines}\n]}}\n')
    print(len(records), "pictures,", target.stat().st_size, "bytes")


if __name__ == "__main__":
    record("many.json")
