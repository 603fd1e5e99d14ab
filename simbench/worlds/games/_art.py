"""Pictures of tiles, 8 x 8 pixels of palette letters each, and palettes; no training clip shows `TEST`."""

from __future__ import annotations

from collections.abc import Mapping

SIDE = 8
"""Pixels along a side of a picture, and tiles along a side of a board."""

THEMES: Mapping[str, Mapping[str, str]] = {
    "day": {
        ".": "d9d2bd", "#": "7a5f4c", "%": "a88a70", "a": "d92b2b", "A": "5c0f14", "c": "e39a25",
        "C": "7d4a08", "o": "1f8f5f", "b": "e8421f", "p": "2348c9", "P": "6fa2ff", "k": "2c3038",
        "i": "f4e04d", "e": "9a5b2f", "E": "4f8f2c", "t": "8b929c", "T": "565c66", "y": "a9d4f2",
        "d": "33303a", "w": "ffffff",
    },
    "night": {
        ".": "23283f", "#": "5b6b96", "%": "8796c0", "a": "ffd23f", "A": "7a4a00", "c": "c558d6",
        "C": "5a1768", "o": "3fd6a0", "b": "ff8c42", "p": "2fbf71", "P": "b9f2cf", "k": "0d0f18",
        "i": "ff5d8f", "e": "7a4466", "E": "d17ab0", "t": "6f93a8", "T": "35505f", "y": "1c2140",
        "d": "08090f", "w": "f2f4ff",
    },
    "sand": {
        ".": "efe0c0", "#": "3f6f73", "%": "76a7a8", "a": "7b2fbf", "A": "2b0a4a", "c": "c8543b",
        "C": "66200f", "o": "2b6fd6", "b": "12875c", "p": "b3261e", "P": "ff9a80", "k": "4a3b2a",
        "i": "8fe388", "e": "b97a3c", "E": "e0b93f", "t": "7d7f94", "T": "494b5e", "y": "f7c9a5",
        "d": "2a1f18", "w": "fffdf5",
    },
    "mint": {
        ".": "c9efe0", "#": "4b4f8a", "%": "8286c4", "a": "e0457b", "A": "5e0f2e", "c": "f0c419",
        "C": "8a6a00", "o": "7a3fb8", "b": "2b2bd1", "p": "d15a00", "P": "ffb870", "k": "1f3a36",
        "i": "ff7a5c", "e": "6b7d3a", "E": "b5cf52", "t": "a58fa8", "T": "63506b", "y": "e6f5ff",
        "d": "262233", "w": "ffffff",
    },
}  # fmt: skip
"""Colours (sRGB, hexadecimal) of the letters, by theme."""

TEST = ("mint",)

BAR_TILES = ("bar", "point", "earth held", "stone held")
"""What only the top row shows, and all that it shows."""

PICTURES: Mapping[str, str] = {
    "ground": "........ ........ ........ ........ ........ ........ ........ ........",
    "wall": "%%%#%%%# %%%#%%%# %%%#%%%# ######## %#%%%#%% %#%%%#%% %#%%%#%% ########",
    "goal": "........ ..oooo.. .o....o. .o.oo.o. .o.oo.o. .o....o. ..oooo.. ........",
    "crate": "CCCCCCCC CccccccC CcCccCcC CccCCccC CccCCccC CcCccCcC CccccccC CCCCCCCC",
    "crate on goal": "CCCCCCCC CooooooC CoCooCoC CooCCooC CooCCooC CoCooCoC CooooooC CCCCCCCC",
    "player": "........ ..aaaa.. .aaaaaa. .aAaaAa. .aaaaaa. .aaAAaa. ..aaaa.. ........",
    "player on goal": "oooooooo ooaaaaoo oaaaaaao oaAaaAao oaaaaaao oaaAAaao ooaaaaoo oooooooo",
    "ball": "........ ..bbbb.. .bbbbbb. .bbwbbb. .bbbbbb. .bbbbbb. ..bbbb.. ........",
    "paddle's upper half": "..PPPP.. .PPPPPP. .PPPPPP. .PPPPPP. .PPPPPP. .PPPPPP. .PPPPPP. .PPPPPP.",
    "paddle's lower half": ".pppppp. .pppppp. .pppppp. .pppppp. .pppppp. .pppppp. .pppppp. ..pppp..",
    "bar": "kkkkkkkk kkkkkkkk kkkkkkkk kkkkkkkk kkkkkkkk kkkkkkkk kkkkkkkk kkkkkkkk",
    "point": "kkkkkkkk kkiiiikk kiiiiiik kiiiiiik kiiiiiik kiiiiiik kkiiiikk kkkkkkkk",
    "sky": "yyyyyyyy yyyyyyyy yyyyyyyy yyyyyyyy yyyyyyyy yyyyyyyy yyyyyyyy yyyyyyyy",
    "earth": "EEEEEEEE EEeEEEeE eeeeeeee eeeeEeee eeeeeeee eEeeeeee eeeeeeEe eeeeeeee",
    "stone": "TttttTtt tttttTtt ttttTttt TTTTTTTT ttTttttt tTtttttt tTttttTt TTTTTTTT",
    "bedrock": "dddddddd dddddddd TTTTTTTT TTTTTTTT TTTTTTTT dddddddd dddddddd dddddddd",
    "left": "yyyaaayy yyaaaaay aaaAaaay aaaaaaay yyaaaaAA yyyaaaAA yyaaaaay yyaayaay",
    "right": "yyaaayyy yaaaaayy yaaaAaaa yaaaaaaa AAaaaayy AAaaayyy yaaaaayy yaayaayy",
    "earth held": "kkkkkkkk kEEEEEEk kEeEEeEk keeeeeek keeeeeek keeEeeek keeeeeek kkkkkkkk",
    "stone held": "kkkkkkkk kttTtttk kttTtttk kTTTTTTk kTtttttk ktTttTtk kTTTTTTk kkkkkkkk",
}
"""Rows of eight letters by the name of the tile."""
