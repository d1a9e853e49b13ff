package io.sparkgguf.format.gguf;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.sparkgguf.storage.BytesReader;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Damage, section by section, as ggml's own test of its reader enumerates it, and more. */
class GgufDamageTest {
    private static final long HUGE = 1L << 62;

    private static GgufBytes version(long version) {
        return new GgufBytes().text("GGUF").u32(version).i64(0).i64(0);
    }

    /** A file whose only pair begins with these bytes. */
    private static GgufBytes pair() {
        return GgufBytes.header(0, 1);
    }

    private static GgufBytes tensor(int type, long offset, long... dimensions) {
        return GgufBytes.header(1, 0)
                .tensor("w", type, offset, dimensions)
                .padTo(32)
                .zeros(64);
    }

    static Stream<Arguments> header() {
        return Stream.of(
                arguments(new GgufBytes(), 0, "too short for a GGUF file (0 bytes)"),
                arguments(new GgufBytes().text("GGU"), 0, "too short for a GGUF file (3 bytes)"),
                arguments(
                        new GgufBytes().text("GGML").zeros(60),
                        0,
                        "not a GGUF file: begins with bytes 47 47 4d 4c instead of 47 47 55 46 (\"GGUF\")"),
                arguments(version(0), 4, "version 0 is not supported, only 2 and 3 are"),
                arguments(version(1), 4, "version 1 is not supported, only 2 and 3 are"),
                arguments(version(4), 4, "version 4 is not supported, only 2 and 3 are"),
                arguments(version(0xFFFFFFFFL), 4, "version 4294967295 is not supported, only 2 and 3 are"),
                arguments(version(0x03000000), 4, "big-endian (version 3); only little-endian files are read"),
                arguments(GgufBytes.header(-1, 0), 8, "the number of tensors is -1"),
                arguments(GgufBytes.header(0, -5), 16, "the number of key-value pairs is -5"),
                arguments(
                        GgufBytes.header(HUGE, 0).zeros(100),
                        8,
                        HUGE + " tensors cannot fit into the 108 bytes that are left"),
                arguments(
                        GgufBytes.header(0, 8).zeros(100),
                        16,
                        "8 key-value pairs cannot fit into the 100 bytes that are left"));
    }

    static Stream<Arguments> pairs() {
        return Stream.of(
                arguments(pair().i64(HUGE).zeros(50), 24, "a key has " + HUGE + " bytes, more than the 65535 allowed"),
                arguments(
                        pair().i64(-1).zeros(50),
                        24,
                        "a key has 18446744073709551615 bytes, more than the 65535 allowed"),
                arguments(
                        pair().i64(60).zeros(50),
                        32,
                        "a key takes 60 bytes, but only 50 are left (the file ends at byte 82)"),
                arguments(pair().i64(0).zeros(50), 24, "a key is empty"),
                arguments(pair().i64(1).u8(0xFF).zeros(50), 32, "a key is not UTF-8 text without zero bytes"),
                arguments(pair().string("a\0b").zeros(50), 32, "a key is not UTF-8 text without zero bytes"),
                arguments(
                        GgufBytes.header(0, 2)
                                .key("k", GgufBytes.U8)
                                .u8(1)
                                .key("k", GgufBytes.U8)
                                .u8(2),
                        38,
                        "key 'k' is there twice"),
                arguments(pair().key("k", 13).zeros(8), 33, "key 'k' is of the unknown type 13"),
                arguments(pair().key("k", -1).zeros(8), 33, "key 'k' is of the unknown type -1"),
                arguments(
                        pair().key("k\n\u202E\u001B", 13).zeros(8),
                        38,
                        "key 'k\\u000a\\u202e\\u001b' is of the unknown type 13"),
                arguments(pair().key("k", GgufBytes.BOOL).u8(2), 37, "key 'k' holds a boolean of 2, neither 0 nor 1"),
                arguments(
                        pair().array("k", GgufBytes.BOOL, 2).u8(1).u8(255),
                        50,
                        "key 'k' holds a boolean of 255, neither 0 nor 1"),
                arguments(
                        pair().key("k", GgufBytes.STRING).i64((1L << 30) + 1).zeros(8),
                        37,
                        "a string of key 'k' has 1073741825 bytes, more than the 1073741824 allowed"),
                arguments(
                        pair().key("k", GgufBytes.STRING).i64(1L << 30).zeros(8),
                        45,
                        "a string of key 'k' takes 1073741824 bytes, but only 8 are left (the file ends at byte 53)"),
                arguments(pair().array("k", GgufBytes.ARRAY, 1).zeros(50), 37, "key 'k' holds an array of arrays"),
                arguments(pair().array("k", 99, 1).zeros(50), 37, "key 'k' is of the unknown type 99"),
                arguments(
                        pair().array("k", GgufBytes.U8, -1),
                        41,
                        "key 'k' holds 18446744073709551615 elements, more than the 1073741824 allowed"),
                arguments(
                        pair().array("k", GgufBytes.F64, 1L << 30).zeros(8),
                        49,
                        "the array of 1073741824 elements of key 'k' takes 8589934592 bytes, but only 8 are left"
                                + " (the file ends at byte 57)"),
                arguments(
                        pair().array("k", GgufBytes.STRING, 1000).zeros(800),
                        49,
                        "the array of 1000 elements of key 'k' takes 8000 bytes, but only 800 are left"
                                + " (the file ends at byte 849)"),
                arguments(
                        pair().array("k", GgufBytes.STRING, 2).string("a").i64(HUGE),
                        58,
                        "a string of key 'k' has " + HUGE + " bytes, more than the 1073741824 allowed"),
                arguments(
                        pair().key("general.alignment", GgufBytes.I32).u32(32),
                        49,
                        "general.alignment is of type I32, but must be U32"),
                arguments(
                        pair().key("general.alignment", GgufBytes.U32).u32(0),
                        49,
                        "general.alignment is 0, but must be a power of two"),
                arguments(
                        pair().key("general.alignment", GgufBytes.U32).u32(13),
                        49,
                        "general.alignment is 13, but must be a power of two"));
    }

    static Stream<Arguments> tensors() {
        return Stream.of(
                arguments(
                        GgufBytes.header(1, 0).tensor("n".repeat(64), 0, 0, 1),
                        24,
                        "a tensor's name has 64 bytes, more than the 63 allowed"),
                arguments(
                        GgufBytes.header(1, 0).tensor("ü".repeat(32), 0, 0, 1),
                        24,
                        "a tensor's name has 64 bytes, more than the 63 allowed"),
                arguments(
                        GgufBytes.header(1, 0).i64(HUGE).zeros(50),
                        24,
                        "a tensor's name has " + HUGE + " bytes, more than the 63 allowed"),
                arguments(GgufBytes.header(1, 0).tensor("", 0, 0, 1), 24, "a tensor's name is empty"),
                arguments(
                        GgufBytes.header(1, 0).tensor("a\0", 0, 0, 1),
                        32,
                        "a tensor's name is not UTF-8 text without zero bytes"),
                arguments(
                        GgufBytes.header(2, 0).tensor("w", 0, 0, 0).tensor("w", 0, 0, 0),
                        57,
                        "tensor 'w' is there twice"),
                arguments(tensor(0, 0, 1, 1, 1, 1, 1), 33, "tensor 'w' has 5 dimensions, more than the 4 allowed"),
                arguments(
                        GgufBytes.header(1, 0).string("w").u32(0xFFFFFFFFL).zeros(50),
                        33,
                        "tensor 'w' has 4294967295 dimensions, more than the 4 allowed"),
                arguments(tensor(0, 0, 4, -1), 45, "dimension 1 of tensor 'w' is -1"),
                arguments(tensor(0, 0, HUGE, 2), 33, "tensor 'w' has more than 2^63 - 1 elements"),
                arguments(
                        tensor(0, 0, 1L << 32, 1L << 32, 1L << 32, 1L << 32),
                        33,
                        "tensor 'w' has more than 2^63 - 1 elements"),
                arguments(
                        tensor(0, 0, HUGE),
                        45,
                        "tensor 'w' takes more than 2^63 - 1 bytes: shape [" + HUGE + "] of F32"),
                arguments(
                        tensor(12, 0, 128),
                        45,
                        "tensor 'w' has rows of 128 elements, not a multiple of the 256 of a block of Q4_K"),
                arguments(
                        tensor(2, 0, 31, 32),
                        53,
                        "tensor 'w' has rows of 31 elements, not a multiple of the 32 of a block of Q4_0"),
                arguments(
                        tensor(2, 0),
                        37,
                        "tensor 'w' has rows of 1 elements, not a multiple of the 32 of a block of Q4_0"),
                arguments(
                        tensor(4, 0, 32),
                        45,
                        "tensor 'w' is of type 4, which is unknown or was removed from the format"),
                arguments(
                        tensor(31, 0, 32),
                        45,
                        "tensor 'w' is of type 31, which is unknown or was removed from the format"),
                arguments(
                        tensor(43, 0, 32),
                        45,
                        "tensor 'w' is of type 43, which is unknown or was removed from the format"),
                arguments(
                        tensor(-1, 0, 32),
                        45,
                        "tensor 'w' is of type -1, which is unknown or was removed from the format"),
                arguments(tensor(0, 32, 1), 49, "tensor 'w' has offset 32, but the tensors before it end at 0"),
                arguments(
                        tensor(0, -32, 1),
                        49,
                        "tensor 'w' has offset 18446744073709551584, but the tensors before it end at 0"),
                arguments(
                        GgufBytes.header(2, 0)
                                .tensor("a", 0, 0, 1)
                                .tensor("b", 0, 4, 1)
                                .padTo(32)
                                .zeros(64),
                        82,
                        "tensor 'b' has offset 4, but the tensors before it end at 32"),
                arguments(
                        GgufBytes.header(2, 1)
                                .key("general.alignment", GgufBytes.U32)
                                .u32(64)
                                .tensor("a", 0, 0, 1)
                                .tensor("b", 0, 32, 1)
                                .padTo(64)
                                .zeros(128),
                        115,
                        "tensor 'b' has offset 32, but the tensors before it end at 64"),
                arguments(
                        GgufBytes.header(2, 0)
                                .tensor("a", 24, 0, Long.MAX_VALUE - 31)
                                .tensor("b", 24, Long.MAX_VALUE - 31, 1)
                                .zeros(64),
                        82,
                        "the tensors up to 'b' take more than 2^63 - 1 bytes"));
    }

    static Stream<Arguments> data() {
        return Stream.of(
                arguments(
                        GgufBytes.header(1, 0).tensor("w", 0, 0, 0),
                        57,
                        "the data should begin at byte 64, but the file ends at byte 57"),
                arguments(
                        GgufBytes.header(1, 1)
                                .key("general.alignment", GgufBytes.U32)
                                .u32(1L << 31)
                                .tensor("w", 0, 0, 0)
                                .zeros(64),
                        90,
                        "the data should begin at byte 2147483648, but the file ends at byte 154"),
                arguments(
                        tensor(0, 0, 17),
                        64,
                        "tensor 'w' takes 68 bytes from offset 0 of the data, which ends at offset 64"),
                arguments(
                        GgufBytes.header(2, 0)
                                .tensor("a", 0, 0, 8)
                                .tensor("b", 0, 32, 8)
                                .padTo(32)
                                .zeros(63),
                        96 + 32,
                        "tensor 'b' takes 32 bytes from offset 32 of the data, which ends at offset 63"),
                arguments(
                        tensor(0, 0, 1L << 60),
                        64,
                        "tensor 'w' takes 4611686018427387904 bytes from offset 0 of the data, which ends at offset 64"));
    }

    @ParameterizedTest
    @MethodSource({"header", "pairs", "tensors", "data"})
    void refusesWithPlaceAndReason(GgufBytes file, long place, String reason) {
        BytesReader reader = new BytesReader("bad.gguf", file.bytes());
        assertEquals(
                "Cannot read GGUF file bad.gguf at byte " + place + ": " + reason,
                assertThrows(InvalidInputException.class, () -> GgufReader.read(reader))
                        .getMessage());
    }

    static Stream<Arguments> bombs() {
        return Stream.of(
                arguments(
                        GgufBytes.header(1L << 30, 0), 8, "1073741824 tensors are more than the 1048576 that are read"),
                arguments(
                        GgufBytes.header(0, 1L << 30),
                        16,
                        "1073741824 key-value pairs are more than the 1048576 that are read"),
                arguments(
                        pair().array("k", GgufBytes.STRING, 1L << 30),
                        49,
                        "the array of 1073741824 elements of key 'k' ends at byte 8589934641, but a header has at most"
                                + " 268435456 bytes"),
                arguments(
                        pair().array("k", GgufBytes.U8, 1L << 30),
                        49,
                        "the array of 1073741824 elements of key 'k' ends at byte 1073741873, but a header has at most"
                                + " 268435456 bytes"),
                arguments(
                        pair().key("k", GgufBytes.STRING).i64(1L << 30),
                        45,
                        "a string of key 'k' ends at byte 1073741869, but a header has at most 268435456 bytes"),
                arguments(
                        GgufBytes.header(1 << 20, 1)
                                .key("k", GgufBytes.STRING)
                                .i64((1L << 28) - 46)
                                .zeros(0),
                        (1L << 28) - 1,
                        "a tensor's name is empty"));
    }

    /** The file is as long as the counts need: terabytes, of zeros. Only limits help, not the file's length. */
    @ParameterizedTest
    @MethodSource("bombs")
    void refusesHeadersThatWouldFillMemory(GgufBytes file, long place, String reason) {
        BytesReader reader = new BytesReader("bomb.gguf", file.bytes(), 1L << 45);
        assertEquals(
                "Cannot read GGUF file bomb.gguf at byte " + place + ": " + reason,
                assertThrows(InvalidInputException.class, () -> GgufReader.read(reader))
                        .getMessage());
    }

    @Test
    void refusesAFileCutAtAnyByte() throws IOException {
        byte[] whole = GgufBytes.sound().bytes();
        int dataEnd = whole.length - 28; // the last tensor takes 68 of 96 bytes
        for (int length = 0; length < dataEnd; length++) {
            BytesReader cut = new BytesReader("cut.gguf", Arrays.copyOf(whole, length));
            InvalidInputException e =
                    assertThrows(InvalidInputException.class, () -> GgufReader.read(cut), "cut at byte " + length);
            assertTrue(
                    e.getMessage().startsWith("Cannot read GGUF file cut.gguf at byte ")
                            && e.getMessage().lines().count() == 1,
                    e.getMessage());
        }
        for (int length = dataEnd; length <= whole.length; length++) {
            BytesReader cut = new BytesReader("cut.gguf", Arrays.copyOf(whole, length));
            assertEquals(2, GgufReader.read(cut).tensors().size(), "cut at byte " + length);
        }
    }

    @Test
    void survivesRandomDamage() throws IOException {
        byte[] whole = GgufBytes.sound().bytes();
        int accepted = 0;
        for (long seed = 0; seed < 20_000; seed++) {
            Random random = new Random(seed);
            byte[] bytes = whole.clone();
            for (int flips = 1 + random.nextInt(4); flips > 0; flips--) {
                int at = random.nextInt(bytes.length - 160);
                bytes[at] = random.nextBoolean()
                        ? (byte) (bytes[at] ^ 1 << random.nextInt(8))
                        : (byte) (random.nextBoolean() ? random.nextInt() : 0xFF);
            }
            try {
                // far more file than bytes, so that lengths alone refuse little
                GgufReader.read(
                        new BytesReader("flipped.gguf", bytes, random.nextInt(8) > 0 ? bytes.length : 1L << 50));
                accepted++;
            } catch (InvalidInputException e) {
                assertEquals(1, e.getMessage().lines().count(), "seed " + seed + ": " + e.getMessage());
            } catch (RuntimeException | OutOfMemoryError e) {
                fail("seed " + seed, e);
            }
        }
        // Changes inside strings and numbers are not damage; most others must be noticed.
        assertTrue(accepted > 0 && accepted < 16_000, accepted + " of 20000 accepted");
    }
}
