package io.sparkgguf.cli;

import static io.sparkgguf.cli.CheckpointDamage.bytes;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.sparkgguf.cli.Cli.Outcome;
import io.sparkgguf.fixtures.Fixture;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Damaged and unfit GGUF sources through the command line. */
class RefusedGgufTest {
    /** A tensor in the middle of the table: name, u32 rank 2, two u64 dimensions, u32 type, u64 offset. */
    private static final String TENSOR = "blk.0.attn_q.weight";

    private static final int RANK = 0;
    private static final int DIMENSIONS = 4;
    private static final int TYPE = 20;
    private static final int OFFSET = 24;

    @TempDir
    private static Path sound;

    private static Path bf16;
    private static Path q8;

    @TempDir
    private Path folder;

    @BeforeAll
    static void writeSoundModels() throws IOException {
        String model = Fixture.LLAMA.write(sound.resolve("llama")).toString();
        bf16 = sound.resolve("bf16.gguf");
        q8 = sound.resolve("q8.gguf");
        for (Path file : new Path[] {bf16, q8}) {
            String type = file == q8 ? "Q8_0" : "BF16";
            Outcome outcome = Cli.run("quantize", "--model", model, "--output", file.toString(), "--type", type);
            assertEquals(0, outcome.code(), outcome.err());
        }
    }

    private static Arguments damage(String reason, UnaryOperator<byte[]> change) {
        return arguments("Cannot read GGUF file {model} " + reason, change);
    }

    /** Overwrites bytes at a place. */
    private static Arguments at(String reason, int at, byte... with) {
        return damage("at byte " + at + ": " + reason, file -> put(file, at, with));
    }

    /** Overwrites bytes behind a name, or a key and its type. */
    private static Arguments behind(String name, int skip, String reason, byte... with) {
        return damage("at byte #: " + reason, file -> put(file, find(file, name) + name.length() + skip, with));
    }

    private static Arguments rename(String from, String to, String reason) {
        return damage("at byte #: " + reason, file -> put(file, find(file, from), to.getBytes(StandardCharsets.UTF_8)));
    }

    private static byte[] put(byte[] file, int at, byte... with) {
        System.arraycopy(with, 0, file, at, with.length);
        return file;
    }

    private static int find(byte[] file, String text) {
        int at = new String(file, StandardCharsets.ISO_8859_1).indexOf(text);
        assertTrue(at > 0, text);
        return at;
    }

    static Stream<Arguments> beginnings() {
        return Stream.of(
                at(
                        "not a GGUF file: begins with bytes 47 47 4d 4c instead of 47 47 55 46 (\"GGUF\")",
                        0,
                        (byte) 'G',
                        (byte) 'G',
                        (byte) 'M',
                        (byte) 'L'),
                at("version 1 is not supported, only 2 and 3 are", 4, bytes(1, 4)),
                at("version 4 is not supported, only 2 and 3 are", 4, bytes(4, 4)),
                at("big-endian (version 3); only little-endian files are read", 4, bytes(3 << 24, 4)),
                at("the number of tensors is -1", 8, bytes(-1, 8)),
                at("1099511627776 tensors cannot fit into the # bytes that are left", 8, bytes(1L << 40, 8)),
                at(
                        "1152921504606846976 key-value pairs cannot fit into the # bytes that are left",
                        16,
                        bytes(1L << 60, 8)),
                at("a key has 1099511627776 bytes, more than the 65535 allowed", 24, bytes(1L << 40, 8)),
                at("a key is empty", 24, bytes(0, 8)),
                damage("at byte 0: too short for a GGUF file (0 bytes)", file -> new byte[0]),
                damage(
                        "at byte 8: the number of tensors takes 8 bytes, but only 2 are left (the file ends at byte 10)",
                        file -> Arrays.copyOf(file, 10)),
                damage(
                        "at byte #: tensor 'blk.1.ffn_up.weight' takes 262144 bytes from offset # of the data, which ends"
                                + " at offset #",
                        file -> Arrays.copyOf(file, file.length - 100)));
    }

    static Stream<Arguments> pairs() {
        String key = "general.architecture";
        return Stream.of(
                behind(key, 0, "key 'general.architecture' is of the unknown type 13", bytes(13, 4)),
                behind(
                        key,
                        4,
                        "a string of key 'general.architecture' has 1073741825 bytes, more than the 1073741824 allowed",
                        bytes((1 << 30) + 1, 8)),
                behind(
                        key,
                        4,
                        "a string of key 'general.architecture' takes 536870912 bytes, but only # are left"
                                + " (the file ends at byte #)",
                        bytes(1 << 29, 8)),
                behind(
                        "tokenizer.ggml.tokens",
                        8,
                        "key 'tokenizer.ggml.tokens' holds 1099511627776 elements, more than the 1073741824 allowed",
                        bytes(1L << 40, 8)),
                behind("tokenizer.ggml.tokens", 4, "key 'tokenizer.ggml.tokens' holds an array of arrays", bytes(9, 4)),
                rename("llama.context_length", key, "key 'general.architecture' is there twice"),
                arguments(
                        "Cannot use {model}: its metadata has no text under general.architecture",
                        (UnaryOperator<byte[]>) file -> put(file, find(file, key), (byte) 'G')));
    }

    static Stream<Arguments> tensors() {
        String tensor = "tensor '" + TENSOR + "' ";
        return Stream.of(
                rename("blk.1.attn_q.weight", TENSOR, tensor + "is there twice"),
                behind(TENSOR, RANK, tensor + "has 5 dimensions, more than the 4 allowed", bytes(5, 4)),
                behind(TENSOR, DIMENSIONS, "dimension 0 of tensor '" + TENSOR + "' is -1", bytes(-1, 8)),
                behind(TENSOR, DIMENSIONS, tensor + "has more than 2^63 - 1 elements", bytes(1L << 56, 8)),
                behind(
                        TENSOR,
                        DIMENSIONS,
                        tensor + "takes more than 2^63 - 1 bytes: shape [256, 18014398509481984] of BF16",
                        bytes(1L << 54, 8)),
                behind(
                        TENSOR,
                        TYPE,
                        tensor + "is of type 99, which is unknown or was removed from the format",
                        bytes(99, 4)),
                behind(
                        TENSOR,
                        TYPE,
                        tensor + "is of type 4, which is unknown or was removed from the format",
                        bytes(4, 4)),
                behind(TENSOR, OFFSET, tensor + "has offset 64, but the tensors before it end at #", bytes(64, 8)),
                behind(
                        TENSOR,
                        OFFSET,
                        tensor + "has offset 18446744073709551615, but the tensors before it end at #",
                        bytes(-1, 8)));
    }

    @ParameterizedTest
    @MethodSource({"beginnings", "pairs", "tensors"})
    void refusesADamagedFile(String reason, UnaryOperator<byte[]> damage) throws IOException {
        Path model = folder.resolve("model.gguf");
        Files.write(model, damage.apply(Files.readAllBytes(bf16)));
        new OutputFolder(folder.resolve("out")).refuses(reason, model);
    }

    @Test
    void refusesToQuantizeTwiceUnlessAllowed() throws IOException {
        OutputFolder output = new OutputFolder(folder.resolve("out"));
        output.refuses(
                "Cannot quantize output.weight to Q6_K: it is quantized to Q8_0 already, and twice costs accuracy;"
                        + " --allow-requantize does it nevertheless",
                q8);
        output.accepts(q8, "--allow-requantize");
    }

    @Test
    void refusesADamagedScale() throws IOException {
        byte[] file = Files.readAllBytes(q8);
        int block = file.length - 34; // the last one: a float16 scale, and 32 quants
        Path model = Files.write(folder.resolve("model.gguf"), put(file, block, (byte) 0x00, (byte) 0x7c, (byte) 1));
        new OutputFolder(folder.resolve("out"))
                .refuses(
                        "Cannot quantize tensor blk.1.ffn_up.weight: the weight at row 511, column 224 (byte " + block
                                + " of {model}) is Infinity; --allow-nonfinite takes such weights as zero",
                        model,
                        "--type",
                        "COPY");
    }

    @Test
    void refusesWhatLlamaCppWouldNotLoadBeforeAnythingRuns() throws IOException {
        OutputFolder output = new OutputFolder(folder.resolve("out"));
        output.refusesFrom(
                "Cannot write " + output.output() + ": llama.cpp would not load it: ",
                bf16,
                "--override-kv",
                "llama.block_count=int:3");
        output.refusesFrom(
                "Cannot use the pre-tokenizer \"llama-4711\": llama.cpp knows none of this name; known are ",
                bf16,
                "--pre-tokenizer",
                "llama-4711");
    }

    @Test
    void refusesASplitModelThatIsNotWhole() throws IOException {
        Path whole = folder.resolve("split.gguf");
        Outcome outcome = Cli.run(
                "quantize",
                "--model",
                bf16.toString(),
                "--output",
                whole.toString(),
                "--type",
                "COPY",
                "-q",
                "--split-max-size",
                "2M");
        assertEquals(0, outcome.code(), outcome.err());
        Path first = folder.resolve("split-00001-of-00002.gguf");
        Path second = folder.resolve("split-00002-of-00002.gguf");
        OutputFolder output = new OutputFolder(folder.resolve("out"));
        output.refuses("Cannot read split GGUF file {model}: it is file 2 of 2, name the first: " + first, second);
        output.refuses("Cannot keep the split of {model}: it is not a split GGUF file", bf16, "--keep-split");
        Files.delete(second);
        output.refuses("Cannot read split GGUF file {model}: file 2 of 2, " + second + ", is missing", first);
    }

    @Test
    void theNextRunWorks() throws IOException {
        OutputFolder output = new OutputFolder(folder.resolve("out"));
        Path damaged = Files.write(folder.resolve("model.gguf"), put(Files.readAllBytes(bf16), 4, bytes(1, 4)));
        output.refuses(
                "Cannot read GGUF file {model} at byte 4: version 1 is not supported, only 2 and 3 are", damaged);
        output.accepts(bf16);
    }
}
