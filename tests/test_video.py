"""Reading and writing video: bit-exact where it is scored, and a reason in one line where it is not."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import av
import ffmpeg_files as ff
import numpy as np
import pytest
from PIL import Image

from simbench.case import Condition
from simbench.errors import UserError
from simbench.resample import cropped, resample, resized
from simbench.video import (
    Video,
    VideoError,
    as_video,
    decode,
    encode,
    encode_preview,
    frames_problem,
    validate,
)

CLIP = ff.moving_shapes()


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    """uint8 noise: the hardest to keep bit by bit."""
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


def condition(given: int = 5, frames: int = 17, size: int = 64, fps: float = 8.0) -> Condition:
    """A condition with `given` black frames."""
    black = np.zeros((given, size, size, 3), np.uint8)
    return Condition("c", "v2v", black, "A ball.", size, size, frames, fps)


def error_of(path: Path, **options) -> str:
    """The reason why `path` is refused."""
    with pytest.raises(VideoError) as caught:
        decode(path, **options)
    assert "\n" not in caught.value.reason
    return caught.value.reason


class TestRoundTrip:
    """What is stored comes back bit by bit."""

    @pytest.mark.parametrize("shape", [(17, 64, 64), (1, 32, 32), (5, 33, 47), (3, 1, 1), (2, 16, 200)])
    def test_every_bit(self, tmp_path: Path, shape: tuple[int, int, int]) -> None:
        video = Video(noise(*shape), 8.0)
        encode(video, tmp_path / "a.mkv")
        back = decode(tmp_path / "a.mkv")
        assert back.digest() == video.digest()
        assert not back.lossy

    @pytest.mark.parametrize(
        "fps", [8, 24, 24000 / 1001, 30000 / 1001, 12.5, 7.3, 1, 0.5, 60, 120, 3.14159265]
    )
    def test_every_rate(self, tmp_path: Path, fps: float) -> None:
        video = Video(noise(9, 16, 16), float(fps))
        encode(video, tmp_path / "a.mkv")
        assert decode(tmp_path / "a.mkv").fps == video.fps

    def test_equal_videos_are_equal_files(self, tmp_path: Path) -> None:
        for name in ("a.mkv", "b.mkv"):
            encode(Video(CLIP, 8.0), tmp_path / name)
        assert (tmp_path / "a.mkv").read_bytes() == (tmp_path / "b.mkv").read_bytes()

    def test_a_slice_of_a_larger_array(self, tmp_path: Path) -> None:
        video = Video(noise(4, 40, 40)[:, ::2, 3:23], 8.0)
        encode(video, tmp_path / "a.mkv")
        assert np.array_equal(decode(tmp_path / "a.mkv").frames, video.frames)

    def test_our_file_reads_the_same_with_ffmpeg(self, tmp_path: Path) -> None:
        encode(Video(CLIP, 8.0), tmp_path / "a.mkv")
        assert np.array_equal(ff.seen_by_ffmpeg(tmp_path / "a.mkv", 64, 64), CLIP)

    test_our_file_reads_the_same_with_ffmpeg = ff.needs_ffmpeg(test_our_file_reads_the_same_with_ffmpeg)

    def test_a_failed_write_leaves_the_old_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        encode(Video(CLIP, 8.0), tmp_path / "a.mkv")
        before = (tmp_path / "a.mkv").read_bytes()

        def full(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(UserError, match="disk full"):
            encode(Video(CLIP[:3], 8.0), tmp_path / "a.mkv")
        assert (tmp_path / "a.mkv").read_bytes() == before
        assert [p.name for p in tmp_path.iterdir()] == ["a.mkv"]

    def test_what_is_not_a_clip_is_not_written(self, tmp_path: Path) -> None:
        for frames in (CLIP[0], CLIP.astype(np.float32) / 255, CLIP[..., :2], CLIP[:0]):
            with pytest.raises(VideoError, match="cannot encode"):
                encode(Video(frames, 8.0), tmp_path / "a.mkv")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(("size", "pixels"), [((64, 64), "yuv420p"), ((33, 47), "yuv444p")])
    def test_preview(self, tmp_path: Path, size: tuple[int, int], pixels: str) -> None:
        clip = ff.moving_shapes(9, *size)
        encode_preview(Video(clip, 8.0), tmp_path / "a.mp4")
        with av.open(str(tmp_path / "a.mp4")) as container:
            assert container.streams.video[0].codec_context.pix_fmt == pixels
        back = decode(tmp_path / "a.mp4")
        assert back.lossy
        assert back.fps == 8.0
        assert np.abs(back.frames.astype(int) - clip).mean() < 4

    def test_limit(self, tmp_path: Path) -> None:
        encode(Video(CLIP, 8.0), tmp_path / "a.mkv")
        assert np.array_equal(decode(tmp_path / "a.mkv", limit_frames=3).frames, CLIP[:3])


class TestDamage:
    """A damaged file never passes for a whole one."""

    def test_every_truncation_of_our_file(self, tmp_path: Path) -> None:
        encode(Video(CLIP, 8.0), tmp_path / "a.mkv")
        data = (tmp_path / "a.mkv").read_bytes()
        for cut in np.linspace(0, len(data) * 0.97, 30).astype(int):
            (tmp_path / "b.mkv").write_bytes(data[:cut])
            assert "b.mkv" in error_of(tmp_path / "b.mkv")

    def test_every_flipped_bit_of_our_frames(self, tmp_path: Path) -> None:
        encode(Video(CLIP, 8.0), tmp_path / "a.mkv")
        data, rng = (tmp_path / "a.mkv").read_bytes(), np.random.default_rng(5)
        found = 0
        for _ in range(40):
            damaged = bytearray(data)
            damaged[rng.integers(2000, len(data) - 2000)] ^= 1 << int(rng.integers(8))
            (tmp_path / "b.mkv").write_bytes(damaged)
            try:
                # A flip between frames may be harmless; pixels that differ must not come back.
                assert np.array_equal(decode(tmp_path / "b.mkv").frames, CLIP)
            except VideoError:
                found += 1
        assert found >= 35

    @ff.needs_ffmpeg
    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("a.mp4", ff.H264),
            ("a.mp4", (*ff.H264, "-movflags", "+faststart")),
            ("a.mp4", (*ff.H264, "-movflags", "+frag_keyframe+empty_moov", "-g", "4")),
            ("a.mov", (*ff.H264, "-movflags", "+faststart")),
            ("a.mkv", ff.H264),
            ("a.webm", ff.VP9),
        ],
    )
    @pytest.mark.parametrize("share", [0.02, 0.5, 0.8])
    def test_truncated(self, tmp_path: Path, name: str, options: tuple[str, ...], share: float) -> None:
        path = ff.make(tmp_path / name, CLIP, *options)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])
        if "+frag_keyframe+empty_moov" in options:
            # A fragmented file promises no length, so a cut between fragments shows only as a wrong length.
            found = 0
            with contextlib.suppress(VideoError):
                found = len(decode(path).frames)
            assert found < len(CLIP)
        else:
            assert error_of(path)

    @ff.needs_ffmpeg
    def test_damaged_h264(self, tmp_path: Path) -> None:
        path = ff.make(tmp_path / "a.mp4", ff.moving_shapes(33), *ff.H264, "-movflags", "+faststart")
        data = bytearray(path.read_bytes())
        data[len(data) // 2 : len(data) // 2 + 60] = bytes(60)
        path.write_bytes(data)
        assert error_of(path)

    @pytest.mark.parametrize("content", [b"", b"not a video", bytes(5000), b"\x1aE\xdf\xa3" + bytes(99)])
    def test_not_a_video(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "a.mp4").write_bytes(content)
        assert "a.mp4" in error_of(tmp_path / "a.mp4")

    def test_no_such_file(self, tmp_path: Path) -> None:
        assert error_of(tmp_path / "a.mp4") == "a.mp4: no such file"

    @ff.needs_ffmpeg
    def test_only_sound(self, tmp_path: Path) -> None:
        ff.run("-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac", str(tmp_path / "a.mp4"))
        assert error_of(tmp_path / "a.mp4") == "a.mp4: no video stream"

    @ff.needs_ffmpeg
    def test_only_a_cover_picture(self, tmp_path: Path) -> None:
        Image.fromarray(CLIP[0]).save(tmp_path / "cover.png")
        cover = ("-i", str(tmp_path / "cover.png"), "-map", "0", "-map", "1", "-c:v", "png")
        sound = ("-f", "lavfi", "-i", "sine=duration=1", *cover, "-disposition:v:0", "attached_pic")
        ff.run(*sound, str(tmp_path / "a.mp4"))
        assert error_of(tmp_path / "a.mp4") == "a.mp4: no video stream"


@ff.needs_ffmpeg
class TestForeignFiles:
    """Whatever tool wrote it, the pixels are those that the ffmpeg command line shows."""

    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("a.mp4", ff.H264),
            ("a.mov", ff.H264),
            ("a.mkv", ff.H264),
            ("a.mp4", ("-pix_fmt", "yuv444p", "-c:v", "libx264", "-crf", "18")),
            ("a.mp4", (*ff.H264, "-bf", "3", "-g", "5")),
            ("a.mp4", (*ff.H264, "-movflags", "+frag_keyframe+empty_moov")),
            ("a.webm", ff.VP9),
            ("a.webm", ("-pix_fmt", "yuv420p", "-c:v", "libvpx", "-crf", "8", "-b:v", "1M")),
            ("a.mp4", ("-pix_fmt", "yuv420p", "-c:v", "libx265", "-x265-params", "log-level=none")),
            ("a.avi", ("-c:v", "mjpeg", "-q:v", "2")),
            ("a.gif", ("-vf", "split[a][b];[a]palettegen[p];[b][p]paletteuse")),
        ],
    )
    def test_codec(self, tmp_path: Path, name: str, options: tuple[str, ...]) -> None:
        path = ff.make(tmp_path / name, CLIP, *options)
        video = decode(path)
        assert video.frames.shape == CLIP.shape
        assert video.fps == 8.0
        assert video.lossy
        assert np.abs(video.frames.astype(int) - ff.seen_by_ffmpeg(path, 64, 64)).mean() < 1.0
        assert np.abs(video.frames.astype(int) - CLIP).mean() < 6

    def test_av1(self, tmp_path: Path) -> None:
        path = ff.make(tmp_path / "a.mp4", CLIP, *ff.av1_options())
        video = decode(path)
        assert video.frames.shape == CLIP.shape
        assert video.lossy
        assert np.abs(video.frames.astype(int) - CLIP).mean() < 6

    @pytest.mark.parametrize(
        ("name", "options", "lossy"),
        [
            ("a.mkv", ("-c:v", "ffv1", "-pix_fmt", "bgr0"), False),
            ("a.mkv", ("-c:v", "ffv1", "-pix_fmt", "yuv420p"), True),
            ("a.avi", ("-c:v", "rawvideo", "-pix_fmt", "bgr24"), False),
            ("a.avi", ("-c:v", "rawvideo", "-pix_fmt", "yuv420p"), True),
            ("a.mov", ("-c:v", "png"), False),
            ("a.avi", ("-c:v", "huffyuv", "-pix_fmt", "rgb24"), False),
            ("a.mp4", ("-c:v", "libx264rgb", "-crf", "0"), False),
            ("a.mkv", ("-c:v", "libx264rgb", "-qp", "0"), False),
            ("a.mp4", ("-c:v", "libx264rgb", "-crf", "4"), True),
            ("a.mp4", ("-c:v", "libx264", "-pix_fmt", "yuv444p", "-qp", "0"), True),
        ],
    )
    def test_lossless_is_told_from_lossy(
        self, tmp_path: Path, name: str, options: tuple, lossy: bool
    ) -> None:
        video = decode(ff.make(tmp_path / name, CLIP, *options))
        assert video.lossy == lossy
        assert np.array_equal(video.frames, CLIP) or lossy

    @pytest.mark.parametrize("fps", ["8", "12.5", "16", "25", "60", "24000/1001", "30000/1001", "7.3"])
    @pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
    def test_rate(self, tmp_path: Path, name: str, fps: str) -> None:
        top, _, bottom = fps.partition("/")
        video = decode(ff.make(tmp_path / name, CLIP, *ff.H264, fps=fps))
        assert video.fps == pytest.approx(float(top) / float(bottom or 1), rel=1e-6)
        assert len(video.frames) == 17

    @pytest.mark.parametrize("fps", ["8", "10", "24", "25"])
    def test_rate_of_gif(self, tmp_path: Path, fps: str) -> None:
        assert decode(ff.make(tmp_path / "a.gif", CLIP, fps=fps)).fps == pytest.approx(float(fps), rel=5e-3)

    def test_single_frame(self, tmp_path: Path) -> None:
        assert decode(ff.make(tmp_path / "a.mp4", CLIP[:1], *ff.H264)).frames.shape == (1, 64, 64, 3)

    @pytest.mark.parametrize(
        "tags",
        [
            (),
            ("-vf", "scale=out_color_matrix=bt709,format=yuv444p", "-colorspace", "bt709"),
            ("-vf", "scale=out_color_matrix=bt601,format=yuv444p", "-colorspace", "smpte170m"),
            ("-vf", "scale=out_range=pc,format=yuv444p", "-color_range", "pc"),
            ("-pix_fmt", "yuvj444p"),
            ("-pix_fmt", "yuv444p10le"),
        ],
    )
    def test_colour_tags_are_honoured(self, tmp_path: Path, tags: tuple[str, ...]) -> None:
        options = (*tags, "-c:v", "libx264", "-crf", "2", *(() if tags else ("-pix_fmt", "yuv444p")))
        video = decode(ff.make(tmp_path / "a.mp4", CLIP, *options))
        # 4:4:4 near lossless: the wrong matrix would cost 8 levels here, the wrong range 15.
        assert np.abs(video.frames.astype(int) - CLIP).mean() < 2

    def test_odd_size(self, tmp_path: Path) -> None:
        clip = ff.moving_shapes(9, 33, 47)
        assert decode(ff.make(tmp_path / "a.webm", clip, *ff.VP9)).frames.shape == clip.shape

    def test_sound_and_odd_metadata(self, tmp_path: Path) -> None:
        sound = ("-f", "lavfi", "-i", "sine=duration=5")
        extra = ("-c:a", "aac", "-metadata", "title=\u00e9\u4e2d\n\x01", "-metadata", "SIMBENCH_FPS=nonsense")
        for name in ("a.mp4", "a.mkv"):
            video = decode(ff.make(tmp_path / name, CLIP, *ff.H264, *extra, more=sound))
            assert video.frames.shape == CLIP.shape
            assert video.fps == 8.0

    def test_a_stale_tag_does_not_set_the_rate(self, tmp_path: Path) -> None:
        extra = ("-metadata", "SIMBENCH_FPS=8.0")
        assert decode(ff.make(tmp_path / "a.mkv", CLIP, *ff.LOSSLESS, *extra, fps="24")).fps == 24.0

    def test_edit_list(self, tmp_path: Path) -> None:
        """A cut without re-encoding hides frames by an edit list; they are hidden, not missing."""
        ff.make(tmp_path / "a.mp4", CLIP, *ff.H264, "-g", "99")
        ff.run("-ss", "0.5", "-i", str(tmp_path / "a.mp4"), "-c", "copy", str(tmp_path / "b.mp4"))
        assert len(decode(tmp_path / "b.mp4").frames) == 13

    @pytest.mark.parametrize("turn", [90, 180, 270])
    def test_rotation(self, tmp_path: Path, turn: int) -> None:
        clip = ff.moving_shapes(5, 48, 80)
        ff.make(tmp_path / "a.mp4", clip, *ff.H264)
        turned = ("-metadata:s:v:0", f"rotate={turn}", "-c", "copy")
        ff.run("-i", str(tmp_path / "a.mp4"), *turned, str(tmp_path / "b.mp4"))
        video = decode(tmp_path / "b.mp4")
        height, width = (48, 80) if turn == 180 else (80, 48)
        assert video.frames.shape == (5, height, width, 3)
        assert (
            np.abs(video.frames.astype(int) - ff.seen_by_ffmpeg(tmp_path / "b.mp4", height, width)).mean() < 1
        )

    def test_rotation_by_an_odd_angle(self, tmp_path: Path) -> None:
        ff.make(tmp_path / "a.mp4", CLIP, *ff.H264)
        turned = ("-metadata:s:v:0", "rotate=30", "-c", "copy")
        ff.run("-i", str(tmp_path / "a.mp4"), *turned, str(tmp_path / "b.mp4"))
        assert "odd angle" in error_of(tmp_path / "b.mp4")

    def test_pixels_that_are_not_square(self, tmp_path: Path) -> None:
        path = ff.make(tmp_path / "a.mp4", CLIP, *ff.H264, "-vf", "setsar=4/3")
        assert "not square (sample aspect 4:3)" in error_of(path)
        assert decode(path, fps=8.0, resample=True).frames.shape == (17, 64, 85, 3)

    def test_ten_bits(self, tmp_path: Path) -> None:
        video = decode(ff.make(tmp_path / "a.mkv", CLIP, "-c:v", "libx264", "-pix_fmt", "yuv420p10le"))
        assert video.frames.dtype == np.uint8
        assert video.lossy

    def test_alpha(self, tmp_path: Path) -> None:
        clear = ("-vf", "format=bgra,colorchannelmixer=aa=0.5", "-c:v", "png")
        assert "transparent" in error_of(ff.make(tmp_path / "a.mov", CLIP, *clear))
        opaque = ("-vf", "format=bgra", "-c:v", "png")
        assert np.array_equal(decode(ff.make(tmp_path / "b.mov", CLIP, *opaque)).frames, CLIP)
        vp9 = ("-vf", "format=yuva420p", "-c:v", "libvpx-vp9", "-auto-alt-ref", "0")
        assert "alpha channel" in error_of(ff.make(tmp_path / "c.webm", CLIP, *vp9))

    @pytest.mark.parametrize(("trc", "word"), [("smpte2084", "PQ"), ("arib-std-b67", "HLG")])
    def test_hdr(self, tmp_path: Path, trc: str, word: str) -> None:
        options = ("-c:v", "libx264", "-pix_fmt", "yuv420p10le", "-color_trc", trc)
        assert f"HDR {word}" in error_of(ff.make(tmp_path / "a.mp4", CLIP, *options))

    def test_interlaced(self, tmp_path: Path) -> None:
        options = (*ff.H264, "-flags", "+ildct+ilme", "-vf", "setfield=tff")
        assert "interlaced" in error_of(ff.make(tmp_path / "a.mp4", CLIP, *options))

    def test_size_that_changes(self, tmp_path: Path) -> None:
        parts = []
        for index, side in enumerate((64, 96)):
            clip = ff.moving_shapes(5, side, side)
            parts.append(ff.make(tmp_path / f"{index}.h264", clip, *ff.H264).read_bytes())
        (tmp_path / "a.h264").write_bytes(b"".join(parts))
        assert "the size changes at frame 5" in error_of(tmp_path / "a.h264")


@ff.needs_ffmpeg
class TestVariableRate:
    """A clip whose frames last unequally is refused, or made constant when that is asked for."""

    UNEVEN = ("-vf", "setpts='if(lt(N,9),N,N+3)/8/TB'", "-vsync", "vfr")

    @pytest.mark.parametrize(
        ("name", "options"), [("a.mp4", ff.H264), ("a.mkv", ff.LOSSLESS), ("a.webm", ff.VP9)]
    )
    def test_named(self, tmp_path: Path, name: str, options: tuple[str, ...]) -> None:
        assert "variable frame rate" in error_of(ff.make(tmp_path / name, CLIP, *options, *self.UNEVEN))

    def test_made_constant(self, tmp_path: Path) -> None:
        path = ff.make(tmp_path / "a.mkv", CLIP, *ff.LOSSLESS, *self.UNEVEN)
        video = decode(path, fps=8.0, resample=True)
        held = [*range(9), 8, 8, 8, *range(9, 17)]
        assert video.fps == 8.0
        assert np.array_equal(video.frames, CLIP[held])

    def test_one_dropped_frame_is_enough(self, tmp_path: Path) -> None:
        drop = ("-vf", "select='not(eq(n,20))'", "-vsync", "vfr")
        clip = ff.moving_shapes(40)
        assert "variable" in error_of(ff.make(tmp_path / "a.mp4", clip, *ff.H264, *drop, fps="24"))


class TestFolders:
    """Folders of numbered pictures."""

    @staticmethod
    def fill(folder: Path, names: list[str], clip: np.ndarray = CLIP) -> Path:
        """Write one frame per name."""
        folder.mkdir()
        for name, frame in zip(names, clip, strict=False):
            Image.fromarray(frame).save(folder / name)
        return folder

    def test_order_is_numeric(self, tmp_path: Path) -> None:
        folder = self.fill(tmp_path / "c", [f"shot2_{i}.png" for i in range(1, 18)])
        video = decode(folder, fps=8.0)
        assert np.array_equal(video.frames, CLIP)
        assert not video.lossy
        assert np.array_equal(decode(folder, limit_frames=2, fps=8.0).frames, CLIP[:2])

    def test_jpg_is_lossy(self, tmp_path: Path) -> None:
        assert decode(self.fill(tmp_path / "c", ["0.jpg", "1.jpeg"]), fps=8.0).lossy

    @pytest.mark.parametrize(
        ("names", "reason"),
        [
            ([], "no png or jpg frames"),
            (["0.png", "2.png"], "frame 1 is missing"),
            (["1.png", "01.png"], "frame 1 is there twice"),
            (["first.png"], "no frame number"),
        ],
    )
    def test_bad_names(self, tmp_path: Path, names: list[str], reason: str) -> None:
        assert reason in error_of(self.fill(tmp_path / "c", names), fps=8.0)

    def test_no_rate(self, tmp_path: Path) -> None:
        assert "has no rate" in error_of(self.fill(tmp_path / "c", ["0.png"]))

    def test_bad_pictures(self, tmp_path: Path) -> None:
        folder = self.fill(tmp_path / "c", ["0.png", "1.png"])
        Image.fromarray(CLIP[0][:32]).save(folder / "1.png")
        assert "another size" in error_of(folder, fps=8.0)
        (folder / "1.png").write_bytes((folder / "0.png").read_bytes()[:400])
        assert "cannot be decoded" in error_of(folder, fps=8.0)
        Image.fromarray(np.dstack([CLIP[0], np.full((64, 64), 9, np.uint8)])).save(folder / "1.png")
        assert "transparent" in error_of(folder, fps=8.0)


class TestValidate:
    """Every way in which an answer is not the one asked for has its own words."""

    def test_fine(self) -> None:
        assert validate(Video(CLIP, 8.0), condition()) is None
        assert validate(CLIP, condition()) is None
        assert validate(CLIP.astype(np.float32) / 255, condition()) is None
        assert validate(Video(CLIP, 8.0, lossy=True), condition()) is None

    def test_shape_and_rate(self) -> None:
        wanted = "expected 17x64x64 at 8 fps, got {}; add generator.resample=fit or crop"
        for video, got in (
            (Video(CLIP[:16], 8.0), "16x64x64 at 8 fps"),
            (Video(CLIP[:, :32], 8.0), "17x32x64 at 8 fps"),
            (Video(CLIP[:, :, :32], 8.0), "17x64x32 at 8 fps"),
            (Video(CLIP, 24000 / 1001), "17x64x64 at 23.976 fps"),
        ):
            assert validate(video, condition()) == wanted.format(got)
        assert "generator.continuation=true" in (validate(Video(CLIP[:12], 8.0), condition()) or "")

    def test_small_lossy(self) -> None:
        small = Video(CLIP[:, ::2, ::2], 8.0, lossy=True)
        reason = "lossy video is not scored at 32 px; use a lossless file or size=64"
        assert validate(small, condition(size=32)) == reason

    @pytest.mark.parametrize(
        ("array", "reason"),
        [
            (CLIP[0], "expected an array [T, H, W, 3], got shape [64, 64, 3]"),
            (CLIP.transpose(0, 3, 1, 2), "got shape [17, 3, 64, 64]"),
            (CLIP[:0], "at least one frame"),
            (CLIP.astype(np.int32), "expected uint8 or float in [0, 1], got int32"),
            (CLIP.astype(np.float32), "must lie in [0, 1], got"),
            (CLIP / 127.5 - 1, "must lie in [0, 1], got -"),
        ],
    )
    def test_array(self, array: np.ndarray, reason: str) -> None:
        assert reason in (frames_problem(array) or "")
        assert reason in (validate(array, condition()) or "")
        with pytest.raises(VideoError):
            as_video(array, 8.0)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_nan(self, value: float) -> None:
        array = CLIP.astype(np.float32) / 255
        array[5, 3, 3, 0] = array[9] = array[10, 0, 0, 2] = value
        assert validate(array, condition()) == "3 NaN frames, first at t=5"

    def test_rounding(self) -> None:
        assert np.array_equal(as_video(CLIP.astype(np.float32) / 255, 8.0).frames, CLIP)
        assert np.array_equal(as_video((CLIP / 255).astype(np.float16), 8.0).frames, CLIP)
        assert np.array_equal(as_video(np.full((1, 2, 2, 3), 1.0015), 8.0).frames, np.full((1, 2, 2, 3), 255))


class TestResample:
    """Seconds stay seconds; nothing is blended, slowed down or padded."""

    def test_rate_and_length(self) -> None:
        video = Video(noise(81, 8, 8), 16.0)
        assert np.array_equal(resample(video, "fit", 8, 8, 17, 8.0).frames, video.frames[:33:2])
        slow = resample(Video(noise(9, 8, 8), 4.0), "fit", 8, 8, 17, 8.0)
        assert len(np.unique(slow.frames.reshape(17, -1), axis=0)) == 9

    def test_nearest_frame(self) -> None:
        index = np.arange(60, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)
        picked = resample(Video(index, 30.0), "fit", 4, 4, 9, 8.0).frames[:, 0, 0, 0].astype(float)
        assert np.abs(picked / 30 - np.arange(9) / 8).max() <= 0.5 / 30 + 1e-9

    def test_too_short(self) -> None:
        with pytest.raises(VideoError, match=r"lasts 1.75 s, 2.125 s are asked"):
            resample(Video(CLIP[:14], 8.0), "fit", 64, 64, 17, 8.0)

    def test_fit_stretches_and_crop_does_not(self) -> None:
        clip = np.zeros((1, 60, 100, 3), np.uint8)
        clip[:, :, 20:80] = 200
        assert resample(Video(clip, 8.0), "fit", 30, 30, 1, 8.0).frames.mean() == pytest.approx(120, abs=2)
        assert resample(Video(clip, 8.0), "crop", 30, 30, 1, 8.0).frames.min() == 200
        assert cropped(clip, 16, 9).shape == (1, 56, 100, 3)

    def test_same_size_is_untouched(self) -> None:
        assert resized(CLIP, 64, 64) is CLIP

    def test_lossy_stays_lossy(self) -> None:
        assert resample(Video(CLIP, 8.0, lossy=True), "fit", 32, 32, 17, 8.0).lossy
