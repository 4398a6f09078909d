"""Makes the pictures of fixtures/cases/more.json: what many_pictures.py leaves out, above all what Pillow does not write.

    python3 test/image/more_pictures.py
"""

import random
import struct
import zlib

from PIL import Image, ImageCms

from many_pictures import H, W, add, bmp, chunk, exif, gif, lzw, noise, pictures, png, raw_profile, record, saved, smooth, xmp

pictures.clear()
random.seed(7)
LAB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()

# PNG
add("png/trailing.png", png(2, 8) + b"trailing" * 9)
add("png/no_iend.png", png(2, 8)[:-12])
add("png/empty_idat.png", png(2, 8, before=chunk(b"IDAT", b"")))
for depth in (1, 2, 4, 16):
    add(f"png/grey{depth}_key.png", png(0, depth, before=chunk(b"tRNS", b"\0\1")))
add("png/rgb16_key.png", png(2, 16, before=chunk(b"tRNS", b"\0\1\0\2\0\3")))
add("png/trns_adam7.png", png(3, 4, True, random.randbytes(48), before=chunk(b"tRNS", random.randbytes(9))))
add("png/suggested_palette.png", png(2, 8, before=chunk(b"PLTE", random.randbytes(48))))
add("png/sbit.png", png(2, 8, before=chunk(b"sBIT", b"\5\6\5")))
add("png/oblong_pixels.png", png(2, 8, before=chunk(b"pHYs", struct.pack(">IIB", 2835, 5670, 1))))
add("png/bad_iccp.png", png(2, 8, before=chunk(b"iCCP", b"x\0\0junk")))


def rows_of(colour, rows, palette=None, before=b""):
    head = struct.pack(">IIBBBBB", W, H, 8, colour, 0, 0, 0)
    table = chunk(b"PLTE", palette) if palette else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + table + before + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def indices(top):
    return b"".join(b"\0" + bytes(random.randrange(top) for _ in range(W)) for _ in range(H))


add("png/index_beyond.png", rows_of(3, indices(40), random.randbytes(30)))
add("png/index_beyond_trns.png", rows_of(3, indices(40), random.randbytes(30), chunk(b"tRNS", random.randbytes(5))))
for kind in (1, 2, 3, 4):
    add(f"png/filter_{kind}.png", rows_of(2, b"".join(bytes([kind]) + random.randbytes(3 * W) for _ in range(H))))


# Orientation in places and types of its own
def typed(o, kind, big=False):
    e = ">" if big else "<"
    value = struct.pack(e + "HH", o, 0) if kind == 3 else struct.pack(e + "I", o)
    head = b"MM\0*\0\0\0\x08" if big else b"II*\0\x08\0\0\0"
    return head + struct.pack(e + "HHHI", 1, 0x112, kind, 1) + value + b"\0\0\0\0"


for big in (False, True):
    e = "_big" if big else ""
    add(f"png/exif_long{e}.png", png(2, 8, before=chunk(b"eXIf", typed(6, 4, big))))
    add(f"jpeg/exif_long{e}.jpg", saved(smooth(), "JPEG", exif=b"Exif\0\0" + typed(6, 4, big)))
    add(f"webp/exif_long{e}.webp", saved(noise("RGB"), "WEBP", lossless=True, exif=b"Exif\0\0" + typed(6, 4, big)))
for o in (3, 6):
    single = xmp(o).replace(b'"', b"'")
    add(f"webp/exif_bare_{o}.webp", saved(noise("RGB"), "WEBP", lossless=True, exif=typed(o, 3)))
    add(f"webp/alpha_exif_{o}.webp", saved(noise("RGBA"), "WEBP", lossless=True, exact=True, exif=exif(o)))
    frames = {"save_all": True, "append_images": [noise("RGBA")]}
    add(f"webp/animated_exif_{o}.webp", saved(noise("RGBA"), "WEBP", lossless=True, exif=exif(o), **frames))
    add(f"png/animated_exif_{o}.png", saved(noise("RGBA"), "PNG", exif=exif(o), **frames))
    add(f"png/raw_app1_{o}.png", png(2, 8, before=chunk(b"tEXt", b"Raw profile type APP1\0" + raw_profile(exif(o)))))
    add(f"png/xmp_single_{o}.png", png(2, 8, before=chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + single)))
    add(f"jpeg/xmp_single_{o}.jpg", saved(smooth(), "JPEG", xmp=single))
    add(f"jpeg/xmp_other_prefix_{o}.jpg", saved(smooth(), "JPEG", xmp=xmp(o).replace(b"tiff:", b"tf:")))
    add(f"tiff/xmp_{o}.tif", saved(noise("RGB"), "TIFF", tiffinfo={700: xmp(o)}))
    add(f"tiff/xmp_{o}_tag_1.tif", saved(noise("RGB"), "TIFF", tiffinfo={700: xmp(o), 274: 1}))


# JPEG
def without(jpeg, marker):
    """@returns the file without the first segment of that marker, and the segment."""
    at = jpeg.find(marker)
    if at < 0:
        return jpeg, b""
    end = at + 2 + struct.unpack(">H", jpeg[at + 2 : at + 4])[0]
    return jpeg[:at] + jpeg[end:], jpeg[at:end]


def adobe(jpeg, transform):
    plain, _ = without(jpeg, b"\xff\xee")
    return plain[:2] + b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([transform]) + plain[2:]


add("jpeg/trailing.jpg", saved(smooth(), "JPEG") + b"\0" * 99 + b"junk")
add("jpeg/two_in_one.jpg", saved(smooth(), "JPEG") + saved(smooth().rotate(90), "JPEG"))
plain = saved(smooth(), "JPEG")
add("jpeg/fill_bytes.jpg", plain[:2] + b"\xff\xff\xff" + plain[2:])
cmyk = saved(smooth().convert("CMYK"), "JPEG", quality=95)
for transform in (0, 1, 2):
    add(f"jpeg/cmyk_adobe_{transform}.jpg", adobe(cmyk, transform))
    add(f"jpeg/rgb_adobe_{transform}.jpg", adobe(plain, transform))
add("jpeg/cmyk_no_adobe.jpg", without(cmyk, b"\xff\xee")[0])
add("jpeg/cmyk_progressive.jpg", saved(smooth().convert("CMYK"), "JPEG", progressive=True))
add("jpeg/no_jfif.jpg", without(plain, b"\xff\xe0")[0])
add("jpeg/rgb_ids.jpg", without(without(saved(smooth(), "JPEG", keep_rgb=True), b"\xff\xee")[0], b"\xff\xe0")[0])
pair = {"save_all": True, "append_images": [smooth().rotate(180)]}
turned = Image.Exif()
turned[274] = 6
add("jpeg/mpo.jpg", saved(smooth(), "MPO", **pair))
add("jpeg/mpo_exif.jpg", saved(smooth(), "MPO", exif=turned, **pair))
rest, segment = without(saved(smooth(), "JPEG", exif=exif(6)), b"\xff\xe1")
packet = b"http://ns.adobe.com/xap/1.0/\0" + xmp(3)
add("jpeg/exif_first.jpg", rest[:2] + segment + rest[2:])
add("jpeg/exif_after_xmp.jpg", rest[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(packet)) + packet + segment + rest[2:])
add("jpeg/exif_short.jpg", saved(smooth(), "JPEG", exif=exif(6)[:14]))
add("jpeg/exif_0_xmp_6.jpg", saved(smooth(), "JPEG", exif=exif(0), xmp=xmp(6)))
add("jpeg/one_pixel.jpg", saved(smooth((1, 1)), "JPEG"))
add("jpeg/icc_lab.jpg", saved(smooth(), "JPEG", icc_profile=LAB_PROFILE))


# WebP
def webp_at(alpha):
    """Frames of 6 × 4 at (4, 2) of the canvas."""
    frame = saved(noise("RGBA" if alpha else "RGB", (6, 4)), "WEBP", lossless=True, exact=True)[12:]
    three = lambda *values: b"".join(value.to_bytes(3, "little") for value in values)  # noqa: E731
    body = three(2, 1, 5, 3, 100) + b"\0" + frame
    part = b"ANMF" + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    head = b"VP8X" + struct.pack("<IB", 10, 0x12 if alpha else 0x02) + b"\0\0\0" + three(W - 1, H - 1)
    inner = b"WEBP" + head + b"ANIM" + struct.pack("<I", 6) + b"\x10\x20\x30\xff\0\0" + part * 2
    return b"RIFF" + struct.pack("<I", len(inner)) + inner


add("webp/frame_at.webp", webp_at(False))
add("webp/frame_at_alpha.webp", webp_at(True))
add("webp/icc_lab.webp", saved(noise("RGB"), "WEBP", lossless=True, icc_profile=LAB_PROFILE))
add("webp/trailing.webp", saved(noise("RGB"), "WEBP", lossless=True) + b"xyz" * 9)
add("webp/one_pixel.webp", saved(noise("RGBA", (1, 1)), "WEBP", lossless=True, exact=True))

# GIF
table = random.randbytes(96)
other = random.randbytes(96)
whole = gif((W, H), [(0, 0, W, H, None, 0, None, False)], table)
add("gif/87a.gif", b"GIF87a" + whole[6:])
add("gif/interlaced_at.gif", gif((W, H), [(3, 2, 11, 9, None, 0, None, True)], table))
add("gif/interlaced_at_local_t.gif", gif((W, H), [(3, 2, 11, 9, 4, 0, other, True)], table, 3))
add("gif/no_trailer.gif", whole[:-1])
add("gif/trailing.gif", whole + b"junk")
add("gif/comment.gif", whole[:109] + b"!\xfe\x05hello\0!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0" + whole[109:])
add("gif/two_controls.gif", whole[:109] + b"!\xf9\x04\x01\0\0\x05\0!\xf9\x04\0\0\0\0\0" + whole[109:])
add("gif/key_beyond.gif", gif((W, H), [(0, 0, W, H, 200, 0, None, False)], table))
add("gif/background_beyond.gif", gif((W, H), [(2, 2, 9, 7, None, 0, None, False)], table, 77))
add("gif/no_canvas.gif", gif((0, 0), [(0, 0, W, H, None, 0, None, False)], table))
for bits in (2, 3, 4, 6, 7, 8):
    for colours in {1 << bits, 4}:
        size = colours.bit_length() - 2
        head = b"GIF89a" + struct.pack("<HHBBB", W, H, 0x80 | size, 0, 0) + random.randbytes(3 * colours)
        data = lzw([random.randrange(colours) for _ in range(W * H)], bits)
        add(f"gif/bits_{bits}_of_{colours}.gif", head + b"," + struct.pack("<HHHHB", 0, 0, W, H, 0) + data + b";")


# TIFF, written here: Pillow writes neither tiles nor planes nor most kinds of samples.
CODES = {3: "H", 4: "I"}


def tiff(entries, blobs, big):
    """@param entries (tag, type, values); None: where the blobs begin."""
    e = ">" if big else "<"
    starts = [8 + sum(len(one) + len(one) % 2 for one in blobs[:i]) for i in range(len(blobs))]
    data = b"".join(one + b"\0" * (len(one) % 2) for one in blobs)
    rows, beside = [], b""
    for tag, kind, values in sorted(entries, key=lambda entry: entry[0]):
        values = starts if values is None else values
        raw = struct.pack(e + f"{len(values)}{CODES[kind]}", *values)
        if len(raw) > 4:
            at, beside = 8 + len(data) + len(beside), beside + raw + b"\0" * (len(raw) % 2)
            raw = struct.pack(e + "I", at)
        rows.append(struct.pack(e + "HHI", tag, kind, len(values)) + raw.ljust(4, b"\0"))
    head = (b"MM\0*" if big else b"II*\0") + struct.pack(e + "I", 8 + len(data) + len(beside))
    return head + data + beside + struct.pack(e + "H", len(rows)) + b"".join(rows) + b"\0\0\0\0"


def samples(count, bits, photometric, kind=1, planar=1, rows=H, tile=None, values=random.randbytes, big=False, **tags):
    """Strips of `rows` rows or tiles of `tile` × `tile` pixels, each plane on its own where planar is 2."""
    together = count if planar == 1 else 1
    if tile:
        pieces = -(-W // tile) * -(-H // tile)
        sizes = [tile * tile * together * bits // 8] * pieces
        places = [(322, 4, [tile]), (323, 4, [tile]), (324, 4, None), (325, 4, sizes * (count // together))]
    else:
        sizes = [-(-W * together * bits // 8) * min(rows, H - y) for y in range(0, H, rows)]
        places = [(278, 4, [rows]), (273, 4, None), (279, 4, sizes * (count // together))]
    numbers = {256: [W], 257: [H], 258: [bits] * count, 259: [1], 262: [photometric], 277: [count], 284: [planar]}
    numbers |= {339: [kind] * count} if kind != 1 else {}
    numbers |= {{"extra": 338, "fill": 266, "colours": 320, "orientation": 274}[name]: value for name, value in tags.items()}
    entries = [(tag, 3, value) for tag, value in numbers.items()]
    return tiff(entries + places, [values(size) for size in sizes * (count // together)], big)


for big in (False, True):
    e = "_big" if big else ""
    order = ">" if big else "<"

    def floats(least, most):
        return lambda size: struct.pack(f"{order}{size // 4}f", *(random.uniform(least, most) for _ in range(size // 4)))

    for bits in (1, 2, 4, 8):
        add(f"tiff/white_is_zero_{bits}{e}.tif", samples(1, bits, 0, big=big))
        add(f"tiff/grey_{bits}{e}.tif", samples(1, bits, 1, big=big))
        colours = [random.randrange(65536) for _ in range(3 << bits)]
        add(f"tiff/palette_{bits}{e}.tif", samples(1, bits, 3, big=big, colours=colours))
    add(f"tiff/grey_16{e}.tif", samples(1, 16, 1, big=big))
    add(f"tiff/signed_16{e}.tif", samples(1, 16, 1, 2, big=big))
    add(f"tiff/rgb_16{e}.tif", samples(3, 16, 2, big=big))
    add(f"tiff/rgba_16{e}.tif", samples(4, 16, 2, big=big, extra=[2]))
    add(f"tiff/signed_32{e}.tif", samples(1, 32, 1, 2, big=big))
    add(f"tiff/float{e}.tif", samples(1, 32, 1, 3, values=floats(-50, 300), big=big))
    add(f"tiff/float_to_1{e}.tif", samples(1, 32, 1, 3, values=floats(0, 1), big=big))
add("tiff/white_is_zero_16.tif", samples(1, 16, 0))
add("tiff/unsigned_32.tif", samples(1, 32, 1))
add("tiff/strips.tif", samples(3, 8, 2, rows=3))
for count, photometric, extra in ((3, 2, None), (4, 2, [2]), (4, 5, None)):
    tags = {"extra": extra} if extra else {}
    add(f"tiff/planes_{count}_{photometric}.tif", samples(count, 8, photometric, planar=2, **tags))
add("tiff/cmyk_16.tif", samples(4, 16, 5))
for extra in ([0], [1], [2], [0, 0]):
    add(f"tiff/extra_{'_'.join(map(str, extra))}.tif", samples(3 + len(extra), 8, 2, extra=extra))
add("tiff/extra_unsaid.tif", samples(4, 8, 2))
add("tiff/fill_order_1.tif", samples(1, 1, 1, fill=[2]))
add("tiff/fill_order_8.tif", samples(1, 8, 1, fill=[2]))
add("tiff/tiles.tif", samples(3, 8, 2, tile=16))
add("tiff/tiles_grey.tif", samples(1, 8, 1, tile=16))
for o in (3, 6):
    add(f"tiff/tiles_{o}.tif", samples(3, 8, 2, tile=16, orientation=[o]))
    add(f"tiff/planes_{o}.tif", samples(3, 8, 2, planar=2, orientation=[o]))
add("tiff/lab.tif", samples(3, 8, 8))
add("tiff/tiled_planes.tif", samples(3, 8, 2, planar=2, tile=16))
add("tiff/group3.tif", saved(noise("L").convert("1"), "TIFF", compression="group3"))
add("tiff/predictor.tif", saved(noise("RGB"), "TIFF", compression="tiff_lzw", tiffinfo={317: 2}))
add("tiff/trailing.tif", samples(3, 8, 2) + b"x" * 50)


# BMP
def stated(bits, header=40, compression=0, colours=0, data=None, planes=1, size=None, gap=0, masks=()):
    data = random.randbytes((W * bits + 31) // 32 * 4 * H) if data is None else data
    table = b"".join(random.randbytes(3) + b"\0" for _ in range(colours or (1 << bits if bits <= 8 else 0)))
    numbers = (header, W, H, planes, bits, compression, len(data) if size is None else size, 0, 0, colours, colours)
    head = struct.pack("<IiiHHIIiiII", *numbers) + struct.pack(f"<{len(masks)}I", *masks)
    head = head.ljust(header, b"\0")
    offset = 14 + len(head) + len(table) + gap
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, offset) + head + table + b"\xaa" * gap + data


for bits in (1, 4, 8, 24):
    add(f"bmp/os2_v2_{bits}.bmp", stated(bits, 64))
for top in (10, 30):
    data = bytes(random.randrange(top) for _ in range(20 * H))
    add(f"bmp/ten_colours_{top}.bmp", stated(8, colours=10, data=data))
add("bmp/gap.bmp", stated(24, gap=13))
add("bmp/size_0.bmp", stated(24, size=0))
add("bmp/planes_0.bmp", stated(24, planes=0))
add("bmp/colours_of_24.bmp", stated(24, colours=7))
add("bmp/trailing.bmp", bmp(24) + b"zz" * 40)
add("bmp/argb1555.bmp", stated(16, 108, 3, masks=(0x7C00, 0x3E0, 0x1F, 0x8000)))
add("bmp/alpha_v4.bmp", stated(32, 108))
add("bmp/alpha_v5.bmp", stated(32, 124))
add("bmp/rle8_too_long.bmp", stated(8, compression=1, data=bytes([255, 7, 0, 0] * H + [0, 1])))
add("bmp/rle8_no_end.bmp", stated(8, compression=1, data=bytes([W, 7, 0, 0] * H)))

# AVIF
for o in (2, 4, 5, 7):
    add(f"avif/exif_{o}.avif", saved(smooth(), "AVIF", subsampling="4:4:4", exif=exif(o)))
soft = smooth().convert("RGBA")
soft.putalpha(Image.frombytes("L", soft.size, bytes(x * 8 % 256 for x in range(soft.width * soft.height))))
for name, image, options in (
    ("alpha", soft, {}),
    ("best", smooth(), {"quality": 100}),
    ("icc_lab", smooth(), {"icc_profile": LAB_PROFILE}),
    ("odd_size", smooth((33, 17)), {}),
    ("one_pixel", smooth((1, 1)), {}),
    ("limited_range", smooth(), {"range": "limited"}),
):
    add(f"avif/{name}.avif", saved(image, "AVIF", subsampling="4:4:4", **options))
add("avif/420_odd_size.avif", saved(smooth((33, 17)), "AVIF", subsampling="4:2:0"))

record("more.json")
