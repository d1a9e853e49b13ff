package io.sparkgguf.format.safetensors;

import static io.sparkgguf.format.safetensors.SafetensorsFiles.FILE;
import static io.sparkgguf.format.safetensors.SafetensorsFiles.entry;
import static io.sparkgguf.format.safetensors.SafetensorsFiles.raw;
import static io.sparkgguf.format.safetensors.SafetensorsFiles.read;
import static io.sparkgguf.format.safetensors.SafetensorsFiles.write;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeout;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.sparkgguf.tensor.DType;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Shape;
import io.sparkgguf.tensor.TensorLocation;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class SafetensorsReaderTest {

    @Test
    void reads_what_the_writer_wrote() throws IOException {
        byte[] file = write(
                Map.of("format", "pt"),
                entry("b", DType.BF16, 2, 3),
                entry("schön \"quoted\" \ud83d\ude00", DType.I64, 4),
                entry("empty", DType.F32, 0, 7),
                entry("scalar", DType.U8));

        SafetensorsHeader header = read(file);

        assertEquals(Map.of("format", "pt"), header.metadata());
        assertEquals(0, header.dataOffset() % 8, "the data is aligned");
        long data = header.dataOffset();
        assertEquals(
                List.of(
                        new TensorLocation("b", DType.BF16, Shape.of(2, 3), FILE, data, 12),
                        new TensorLocation(
                                "schön \"quoted\" \ud83d\ude00", DType.I64, Shape.of(4), FILE, data + 12, 32),
                        new TensorLocation("empty", DType.F32, Shape.of(0, 7), FILE, data + 44, 0),
                        new TensorLocation("scalar", DType.U8, Shape.of(), FILE, data + 44, 1)),
                header.tensors());
    }

    @ParameterizedTest
    @EnumSource
    void knows_every_dtype(DType dtype) throws IOException {
        TensorLocation tensor =
                read(write(Map.of(), entry("x", dtype, 3, 5))).tensors().get(0);
        assertEquals(dtype, tensor.encoding());
        assertEquals(15L * dtype.blockBytes(), tensor.length());
    }

    @Test
    void the_order_of_the_header_is_free() throws IOException {
        SafetensorsHeader header = read(raw(
                "{'late':{'data_offsets':[4,6],'shape':[2],'dtype':'U8'},'__metadata__':{},"
                        + "'early':{'dtype':'F32','shape':[1],'data_offsets':[0,4]}} \n\t",
                6));
        assertEquals(
                List.of("early", "late"),
                header.tensors().stream().map(TensorLocation::name).toList());
    }

    @Test
    void a_file_without_tensors_is_a_file() throws IOException {
        assertEquals(List.of(), read(raw("{}", 0)).tensors());
    }

    private static byte[] lengthOnly(long headerLength) {
        return ByteBuffer.allocate(20)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(headerLength)
                .array();
    }

    private static byte[] one(String tensor, int dataBytes) {
        return raw("{'w':" + tensor + "}", dataBytes);
    }

    static Stream<Arguments> damages() {
        String u8 = "{'dtype':'U8','shape':[4],'data_offsets':[%d,%d]}";
        byte[] invalidUtf8 = "{\"w\0\":1}".getBytes(StandardCharsets.ISO_8859_1);
        invalidUtf8[3] = (byte) 0xC0;
        return Stream.of(
                arguments("no length", new byte[5], "it has 5 bytes, but a safetensors file starts with a header"),
                arguments("length over 2^63", lengthOnly(-2), "header length 18446744073709551614 at byte 0 is over"),
                arguments("length over the limit", lengthOnly(100_000_001), "100000001 at byte 0 is over the limit"),
                arguments(
                        "length beyond the file", lengthOnly(13), "13 at byte 0 goes beyond the file's end, 20 bytes"),
                arguments("empty header", lengthOnly(0), "the header at byte 8 does not start with {"),
                arguments("not an object", raw("[1]", 0), "the header at byte 8 does not start with {"),
                arguments("not UTF-8", raw(invalidUtf8, 0), "not UTF-8, at byte 11"),
                arguments("UTF-16", raw("{}".getBytes(StandardCharsets.UTF_16LE), 0), "not acceptable JSON"),
                arguments("cut JSON", raw("{'a':{'dtype':", 0), "not acceptable JSON"),
                arguments("rest after JSON", raw("{}{}", 0), "more follows after the JSON object, at byte 10"),
                arguments("deep", raw("{'a':" + "[".repeat(1000), 0), "tensor 'a' is not an object, at byte 13"),
                arguments("tensor not an object", raw("{'a':7}", 0), "tensor 'a' is not an object, at byte 13"),
                arguments(
                        "deep inside a dtype",
                        one("{'dtype':" + "{'a':".repeat(1000), 0),
                        "dtype of tensor 'w' is not a string, at byte 22"),
                arguments(
                        "name too long",
                        raw("{'" + "n".repeat(5000) + "':1}", 0),
                        "not acceptable JSON (Name length (5000) exceeds the maximum allowed (4096"),
                arguments(
                        "number too long",
                        one("{'shape':[" + "9".repeat(1000) + "]}", 0),
                        "not acceptable JSON (Number value length (1000) exceeds the maximum allowed (32"),
                arguments(
                        "unknown dtype",
                        one("{'dtype':'F4','shape':[1],'data_offsets':[0,1]}", 1),
                        "tensor 'w' has the unknown dtype 'F4', known are [F64, F32, F16, BF16"),
                arguments("no dtype", one("{'shape':[1],'data_offsets':[0,1]}", 1), "tensor 'w' has no dtype"),
                arguments("no shape", one("{'dtype':'U8','data_offsets':[0,1]}", 1), "tensor 'w' has no shape"),
                arguments("no offsets", one("{'dtype':'U8','shape':[1]}", 1), "tensor 'w' has no data_offsets"),
                arguments(
                        "two shapes", one("{'shape':[1],'shape':[1]}", 1), "a second shape of tensor 'w', at byte 26"),
                arguments("unknown key", one("{'scale':1}", 1), "tensor 'w' has the unknown key 'scale', at byte 14"),
                arguments(
                        "negative dimension",
                        one("{'dtype':'U8','shape':[-1],'data_offsets':[0,1]}", 1),
                        "shape of tensor 'w' holds -1, which is not from 0 to 2^63 - 1"),
                arguments(
                        "fractional dimension",
                        one("{'dtype':'U8','shape':[1.5],'data_offsets':[0,1]}", 1),
                        "shape of tensor 'w' is not whole numbers"),
                arguments(
                        "dimension over 2^63",
                        one("{'dtype':'U8','shape':[9223372036854775808],'data_offsets':[0,1]}", 1),
                        "holds 9223372036854775808, which is not from 0 to 2^63 - 1"),
                arguments(
                        "product overflows",
                        one("{'dtype':'U8','shape':[4294967296,4294967296],'data_offsets':[0,0]}", 0),
                        "tensor 'w' of U8 has the shape [4294967296, 4294967296], more than 2^63 - 1 bytes"),
                arguments(
                        "bytes overflow",
                        one("{'dtype':'F64','shape':[4611686018427387904],'data_offsets':[0,0]}", 0),
                        "more than 2^63 - 1 bytes"),
                arguments(
                        "too many dimensions",
                        one("{'shape':[" + "1,".repeat(16) + "1]}", 0),
                        "shape of tensor 'w' has more than 16 numbers"),
                arguments(
                        "shape times dtype",
                        one("{'dtype':'F32','shape':[2,3],'data_offsets':[0,20]}", 20),
                        "tensor 'w' of F32 [2, 3] takes 24 bytes, but its data_offsets [0, 20] give 20, at byte"),
                arguments(
                        "one offset",
                        one("{'dtype':'U8','shape':[1],'data_offsets':[0]}", 1),
                        "tensor 'w' has data_offsets [0], not [begin, end]"),
                arguments(
                        "offsets backwards",
                        one("{'dtype':'U8','shape':[1],'data_offsets':[2,1]}", 2),
                        "tensor 'w' has data_offsets [2, 1], not [begin, end]"),
                arguments(
                        "beyond the file",
                        one("{'dtype':'U8','shape':[4],'data_offsets':[0,4]}", 3),
                        "tensor 'w' has data_offsets [0, 4], but the file's data has 3 bytes, at byte"),
                arguments(
                        "overlap",
                        raw("{'a':" + u8.formatted(0, 4) + ",'b':" + u8.formatted(2, 6) + "}", 6),
                        "tensor 'b' at byte 115 overlaps tensor 'a', which ends at byte 117"),
                arguments(
                        "gap",
                        raw("{'a':" + u8.formatted(0, 4) + ",'b':" + u8.formatted(6, 10) + "}", 10),
                        "bytes 118 to 120, before tensor 'b', belong to no tensor"),
                arguments("gap at the start", one(u8.formatted(2, 6), 6), "bytes 61 to 63, before tensor 'w', belong"),
                arguments(
                        "bloated", one(u8.formatted(0, 4), 9), "the tensors end at byte 65, but the file has 70 bytes"),
                arguments(
                        "same name",
                        raw("{'a':" + u8.formatted(0, 4) + ",'a':" + u8.formatted(4, 8) + "}", 8),
                        "a second tensor 'a', at byte 61"),
                arguments(
                        "same name, spelt otherwise",
                        raw("{'a':" + u8.formatted(0, 4) + ",'\\u0061':" + u8.formatted(4, 8) + "}", 8),
                        "a second tensor 'a', at byte 61"),
                arguments("two metadata", raw("{'__metadata__':{},'__metadata__':{}}", 0), "a second __metadata__"),
                arguments(
                        "metadata not text",
                        raw("{'__metadata__':{'n':{}}}", 0),
                        "'n' in __metadata__ is not a string, at byte 29"),
                arguments(
                        "metadata twice",
                        raw("{'__metadata__':{'n':'1','n':'2'}}", 0),
                        "a second 'n' in __metadata__, at byte 33"),
                arguments(
                        "a name that would break the line",
                        raw("{'a\\n\\u001b[31m':7}", 0),
                        "tensor 'a??[31m' is not an object"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("damages")
    void refuses_damage(String name, byte[] file, String reason) {
        String message =
                assertThrows(InvalidInputException.class, () -> read(file)).getMessage();
        assertTrue(message.startsWith("Cannot read " + FILE + ": "), message);
        assertTrue(message.contains(reason), message);
        assertEquals(1, message.lines().count(), message);
    }

    @Test
    void a_byte_is_a_byte_even_after_wide_characters() {
        // é has 2 bytes, the euro 3, the face 4
        String message = assertThrows(InvalidInputException.class, () -> read(raw("{'é€\ud83d\ude00':7}", 0)))
                .getMessage();
        assertTrue(message.endsWith("at byte " + (8 + 2 + 9 + 2)), message);
    }

    @Test
    void refuses_a_file_cut_at_any_byte() throws IOException {
        byte[] file = write(Map.of("k", "v"), entry("a", DType.F16, 3), entry("b", DType.U8, 5));
        read(file);
        for (int length = 0; length < file.length; length++) {
            byte[] cut = Arrays.copyOf(file, length);
            assertThrows(InvalidInputException.class, () -> read(cut), "cut to " + length + " bytes");
        }
    }

    /** Whatever is in the file, the answer is a header that covers it exactly, or the one exception. */
    @Test
    void survives_random_damage() throws IOException {
        byte[] file = write(Map.of("k", "v"), entry("first", DType.F16, 3, 2), entry("second", DType.U8, 5));
        int accepted = 0;
        for (int seed = 0; seed < 20_000; seed++) {
            Random random = new Random(seed);
            byte[] damaged = file.clone();
            for (int i = 0; i < 1 + random.nextInt(4); i++) {
                damaged[random.nextInt(damaged.length)] = (byte)
                        (random.nextBoolean() ? random.nextInt(256) : "{}[]\":,0123456789".charAt(random.nextInt(17)));
            }
            try {
                SafetensorsHeader header = read(damaged);
                long end = header.dataOffset();
                for (TensorLocation tensor : header.tensors()) {
                    assertEquals(end, tensor.offset(), "seed " + seed);
                    end += tensor.length();
                }
                assertEquals(damaged.length, end, "seed " + seed);
                accepted++;
            } catch (InvalidInputException e) {
                assertEquals(1, e.getMessage().lines().count(), "seed " + seed + ": " + e.getMessage());
            } catch (RuntimeException e) {
                throw new AssertionError("seed " + seed, e);
            }
        }
        assertTrue(accepted > 100 && accepted < 19_000, accepted + " of 20000 damaged files were accepted");
    }

    @Test
    void a_hundred_thousand_tensors_take_no_time() throws IOException {
        int count = 100_000;
        List<SafetensorsWriter.Entry> entries = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            entries.add(
                    entry("model.layers." + i / 1000 + ".mlp.experts." + i % 1000 + ".gate_proj.weight", DType.U8, 1));
        }
        Collections.shuffle(entries, new Random(7));
        byte[] file = write(Map.of(), entries.toArray(SafetensorsWriter.Entry[]::new));
        SafetensorsHeader header = assertTimeout(Duration.ofSeconds(30), () -> read(file));
        assertEquals(count, header.tensors().size());
        assertTrue(
                IntStream.range(0, count).allMatch(i -> header.tensors().get(i).offset() == header.dataOffset() + i));
    }
}
