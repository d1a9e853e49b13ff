package io.sparkgguf.format.gguf;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTimeout;

import io.sparkgguf.storage.BytesReader;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataType;
import io.sparkgguf.tensor.MetadataValue;
import io.sparkgguf.tensor.Shape;
import io.sparkgguf.tensor.TensorLocation;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GgufReaderTest {

    private static GgufHeader read(GgufBytes file) throws IOException {
        return GgufReader.read(new BytesReader("m.gguf", file.bytes()));
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3})
    void readsBothVersions(int version) throws IOException {
        byte[] bytes = GgufBytes.sound().bytes();
        bytes[4] = (byte) version;
        GgufHeader header = GgufReader.read(new BytesReader("m.gguf", bytes));
        assertEquals(version, header.version());
        assertEquals("m.gguf", header.file());
        assertEquals(32, header.alignment());
        assertEquals(bytes.length, header.fileLength());
        assertEquals(bytes.length, header.paddedEnd());
        assertEquals(bytes.length - 64 - 96, header.dataStart());
        assertEquals(
                List.of("general.architecture", "a.bool", "a.tokens", "a.scores", "a.count"),
                List.copyOf(header.metadata().asMap().keySet()));
        assertEquals(
                List.of(
                        new GgufTensor("one.weight", Shape.of(4, 4), BlockType.F32, 0),
                        new GgufTensor("two.weight", Shape.of(2, 32), BlockType.Q8_0, 64)),
                header.tensors());
        assertEquals(
                new TensorLocation(
                        "two.weight", BlockType.Q8_0, Shape.of(2, 32), "m.gguf", header.dataStart() + 64, 68),
                header.locations().get(1));
    }

    @Test
    void readsEveryTypeOfValue() throws IOException {
        Metadata metadata = read(GgufBytes.header(0, 16)
                        .key("u8", GgufBytes.U8)
                        .u8(0xFE)
                        .key("i8", GgufBytes.I8)
                        .u8(0xFE)
                        .key("u16", GgufBytes.U16)
                        .u16(0xFFFE)
                        .key("i16", GgufBytes.I16)
                        .u16(0xFFFE)
                        .key("u32", GgufBytes.U32)
                        .u32(0xFFFFFFFEL)
                        .key("i32", GgufBytes.I32)
                        .u32(0xFFFFFFFEL)
                        .key("u64", GgufBytes.U64)
                        .i64(-2)
                        .key("i64", GgufBytes.I64)
                        .i64(-2)
                        .key("f32", GgufBytes.F32)
                        .f32(0.1f)
                        .key("f64", GgufBytes.F64)
                        .i64(Double.doubleToRawLongBits(0.1))
                        .key("bool", GgufBytes.BOOL)
                        .u8(0)
                        .key("text", GgufBytes.STRING)
                        .string("größe\nzwei")
                        .array("strings", GgufBytes.STRING, 2)
                        .string("ü")
                        .string("")
                        .array("numbers", GgufBytes.I16, 3)
                        .u16(1)
                        .u16(0xFFFF)
                        .u16(3)
                        .array("bools", GgufBytes.BOOL, 2)
                        .u8(1)
                        .u8(0)
                        .array("empty", GgufBytes.F64, 0))
                .metadata();
        Metadata expected = new Metadata()
                .put("u8", MetadataValue.Int.of(MetadataType.U8, 254))
                .put("i8", MetadataValue.Int.of(MetadataType.I8, -2))
                .put("u16", MetadataValue.Int.of(MetadataType.U16, 65_534))
                .put("i16", MetadataValue.Int.of(MetadataType.I16, -2))
                .put("u32", MetadataValue.Int.of(MetadataType.U32, 4_294_967_294L))
                .put("i32", MetadataValue.Int.of(MetadataType.I32, -2))
                .put("u64", new MetadataValue.Int(MetadataType.U64, -2))
                .put("i64", MetadataValue.Int.of(MetadataType.I64, -2))
                .putF32("f32", 0.1f)
                .put("f64", new MetadataValue.Real(MetadataType.F64, 0.1))
                .putBool("bool", false)
                .putString("text", "größe\nzwei")
                .putStrings("strings", List.of("ü", ""))
                .put("numbers", MetadataValue.Numbers.ofInts(MetadataType.I16, 1, -1, 3))
                .put("bools", MetadataValue.Numbers.ofInts(MetadataType.BOOL, 1, 0))
                .put("empty", MetadataValue.Numbers.ofInts(MetadataType.F64));
        expected.asMap()
                .forEach((key, value) -> assertEquals(value, metadata.get(key).orElseThrow(), key));
        assertEquals(expected.size(), metadata.size());
    }

    @Test
    void keepsStringsThatAreNotUtf8() throws IOException {
        Metadata metadata = read(GgufBytes.header(0, 2)
                        .key("text", GgufBytes.STRING)
                        .i64(3)
                        .u8('a')
                        .u8(0xFF)
                        .u8(0)
                        .array("strings", GgufBytes.STRING, 1)
                        .i64(2)
                        .u8(0xC3)
                        .u8(0x28))
                .metadata();
        assertEquals(
                new MetadataValue.Text(new byte[] {'a', (byte) 0xFF, 0}),
                metadata.get("text").orElseThrow());
        assertEquals(
                new MetadataValue.Strings(new byte[] {(byte) 0xC3, 0x28}, new int[] {2}),
                metadata.get("strings").orElseThrow());
    }

    @Test
    void honoursTheAlignment() throws IOException {
        GgufHeader header = read(GgufBytes.header(2, 1)
                .key("general.alignment", GgufBytes.U32)
                .u32(64)
                .tensor("a", 0, 0, 1)
                .tensor("b", 0, 64, 1)
                .padTo(64)
                .zeros(64)
                .zeros(4));
        assertEquals(64, header.alignment());
        assertEquals(0, header.dataStart() % 64);
        assertEquals(header.dataStart() + 64, header.locations().get(1).offset());
        assertEquals(header.fileLength() + 60, header.paddedEnd(), "the last padding may be missing");
    }

    @Test
    void readsFilesWithoutTensors() throws IOException {
        GgufHeader header = read(GgufBytes.header(0, 0));
        assertEquals(24, header.dataStart(), "the padding before the data may be missing");
        assertEquals(List.of(), header.tensors());
        assertEquals(24, header.paddedEnd());
    }

    @Test
    void readsScalarsEmptyTensorsAndFourDimensions() throws IOException {
        GgufHeader header = read(GgufBytes.header(3, 0)
                .tensor("scalar", 0, 0)
                .tensor("empty", 8, 32, 32, 0, 5)
                .tensor("four", 1, 32, 2, 3, 1, 1)
                .padTo(32)
                .zeros(32)
                .zeros(12));
        assertEquals(
                List.of(Shape.of(), Shape.of(5, 0, 32), Shape.of(1, 1, 3, 2)),
                header.tensors().stream().map(GgufTensor::shape).toList());
        assertEquals(
                List.of(4L, 0L, 12L),
                header.locations().stream().map(TensorLocation::length).toList());
    }

    @Test
    void readsManyTensorsAndTokensFast() throws IOException {
        int tensors = 200_000;
        int tokens = 300_000;
        GgufBytes file = GgufBytes.header(tensors, 1).array("tokens", GgufBytes.STRING, tokens);
        for (int i = 0; i < tokens; i++) {
            file.string("token " + i);
        }
        for (int i = 0; i < tensors; i++) {
            file.tensor("blk." + i + ".weight", 0, 0, 0);
        }
        file.padTo(32);
        byte[] bytes = file.bytes();
        // Comparing each name with each would be 20 billion comparisons.
        GgufHeader header =
                assertTimeout(Duration.ofSeconds(20), () -> GgufReader.read(new BytesReader("m.gguf", bytes)));
        assertEquals(tensors, header.tensors().size());
        MetadataValue.Strings strings =
                (MetadataValue.Strings) header.metadata().get("tokens").orElseThrow();
        assertEquals(tokens, strings.count());
        for (int i : new int[] {0, 1, 1_023, 1_024, 123_456, tokens - 1}) {
            assertEquals("token " + i, strings.get(i));
        }
    }
}
