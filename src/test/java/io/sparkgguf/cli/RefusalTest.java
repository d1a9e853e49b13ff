package io.sparkgguf.cli;

import static io.sparkgguf.cli.CheckpointDamage.bytes;
import static io.sparkgguf.cli.CheckpointDamage.editHeader;
import static io.sparkgguf.cli.CheckpointDamage.editJson;
import static io.sparkgguf.cli.CheckpointDamage.poke;
import static io.sparkgguf.cli.CheckpointDamage.replaceHeader;
import static io.sparkgguf.cli.CheckpointDamage.resize;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkgguf.cli.CheckpointDamage.Change;
import io.sparkgguf.fixtures.Fixture;
import io.sparkgguf.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Damaged safetensors files and indexes through the command line: one line, exit code 3, nothing left. */
class RefusalTest {
    private static final String FILE = "model.safetensors";
    private static final String INDEX = "model.safetensors.index.json";
    private static final String FIRST = "model-00001-of-00002.safetensors";
    private static final String SECOND = "model-00002-of-00002.safetensors";

    @TempDir
    private static Path sound;

    @TempDir
    private Path folder;

    @BeforeAll
    static void writeSoundModels() throws IOException {
        Fixture.LLAMA.write(sound.resolve("single"));
        Fixture.LLAMA.write(sound.resolve("sharded"), DType.BF16, 2);
    }

    /** @param reason what follows {@code Cannot read .../model.safetensors: } */
    private static Arguments file(String reason, Change damage) {
        return arguments("Cannot read {model}/model.safetensors: " + reason, damage);
    }

    private static Arguments length(String reason, long length) {
        return file(reason, folder -> resize(folder.resolve(FILE), length));
    }

    private static Arguments text(String reason, String header) {
        return file(reason, folder -> replaceHeader(folder.resolve(FILE), header));
    }

    private static Arguments header(String reason, Consumer<ObjectNode> change) {
        return file(reason, folder -> editHeader(folder.resolve(FILE), change));
    }

    /** The last tensor of the file, 256 x BF16. */
    private static ObjectNode norm(ObjectNode header) {
        return (ObjectNode) header.get("model.norm.weight");
    }

    static Stream<Arguments> files() {
        return Stream.of(
                length("it has 0 bytes, but a safetensors file starts with a header length of 8 bytes at byte 0", 0),
                length("it has 7 bytes, but a safetensors file starts with a header length of 8 bytes at byte 0", 7),
                length("header length # at byte 0 goes beyond the file's end, 8 bytes", 8),
                length("header length # at byte 0 goes beyond the file's end, 900 bytes", 900),
                length(
                        "tensor 'lm_head.weight' has data_offsets [0, 262144], but the file's data has # bytes,"
                                + " at byte #",
                        100_000),
                file(
                        "the tensors end at byte #, but the file has # bytes",
                        folder -> resize(folder.resolve(FILE), Files.size(folder.resolve(FILE)) + 1)),
                file(
                        "header length 100000001 at byte 0 is over the limit of 100000000 bytes",
                        folder -> poke(folder.resolve(FILE), 0, bytes(100_000_001, 8))),
                file(
                        "header length 18446744073709551615 at byte 0 is over the limit of 100000000 bytes",
                        folder -> poke(folder.resolve(FILE), 0, bytes(-1, 8))),
                file(
                        "not acceptable JSON (Unexpected end-of-input: was expecting closing quote for a string value),"
                                + " at byte 1008",
                        folder -> poke(folder.resolve(FILE), 0, bytes(1000, 8))));
    }

    static Stream<Arguments> headers() {
        return Stream.of(
                text("the header at byte 8 does not start with {", ""),
                text("the header at byte 8 does not start with {", "[]"),
                text("tensor 'a' is not an object, at byte 13", "{\"a\":[" + "1".repeat(1 << 20) + "]}"),
                text("tensor 'a' has the unknown key 'a', at byte 14", "{\"a\":".repeat(100_000)),
                text(
                        "not acceptable JSON (Name length (4097) exceeds the maximum allowed (4096)), at byte #",
                        "{\"" + "a".repeat(4097) + "\":"),
                header(
                        "tensor 'model.norm.weight' has the unknown dtype 'F4', known are [F64, F32, F16, BF16, F8_E4M3,"
                                + " F8_E5M2, F8_E8M0, I64, U64, I32, U32, I16, U16, I8, U8, BOOL], at byte #",
                        header -> norm(header).put("dtype", "F4")),
                header(
                        "dtype of tensor 'model.norm.weight' is not a string, at byte #",
                        header -> norm(header).put("dtype", 4)),
                header(
                        "tensor 'model.norm.weight' has the unknown key 'colour', at byte #",
                        header -> norm(header).put("colour", 4)),
                header(
                        "tensor 'model.norm.weight' has no shape, at byte #",
                        header -> norm(header).remove("shape")),
                header(
                        "tensor 'model.norm.weight' of BF16 [257] takes 514 bytes, but its data_offsets [#, #] give 512,"
                                + " at byte #",
                        header -> norm(header).putArray("shape").add(257)),
                header(
                        "shape of tensor 'model.norm.weight' holds -256, which is not from 0 to 2^63 - 1, at byte #",
                        header -> norm(header).putArray("shape").add(-256)),
                header(
                        "tensor 'model.norm.weight' of BF16 has the shape [1099511627776, 1099511627776],"
                                + " more than 2^63 - 1 bytes, at byte #",
                        header -> norm(header).putArray("shape").add(1L << 40).add(1L << 40)),
                header(
                        "tensor 'lm_head.weight' at byte # overlaps tensor 'model.norm.weight', which ends at byte #",
                        header -> norm(header).putArray("data_offsets").add(0).add(512)),
                header(
                        "tensor 'model.norm.weight' has data_offsets [1099511627776, 1099511628288],"
                                + " but the file's data has # bytes, at byte #",
                        header -> norm(header)
                                .putArray("data_offsets")
                                .add(1L << 40)
                                .add((1L << 40) + 512)),
                header(
                        "tensor 'model.norm.weight' has data_offsets [512, 0], not [begin, end], at byte #",
                        header -> norm(header).putArray("data_offsets").add(512).add(0)),
                header(
                        "bytes # to #, before tensor 'model.embed_tokens.weight', belong to no tensor",
                        header -> header.remove("lm_head.weight")),
                header(
                        "the tensors end at byte #, but the file has # bytes",
                        header -> header.remove("model.norm.weight")),
                file("a second tensor 'model.embed_tokens.weight', at byte #", folder -> {
                    String text = CheckpointDamage.header(folder.resolve(FILE)).toString();
                    replaceHeader(folder.resolve(FILE), text.replace("lm_head.weight", "model.embed_tokens.weight"));
                }));
    }

    @ParameterizedTest
    @MethodSource({"files", "headers"})
    void refusesADamagedFile(String reason, Change damage) throws IOException {
        refuses("single", reason, damage);
    }

    private static Arguments index(String reason, Consumer<ObjectNode> change) {
        return arguments(reason, (Change) folder -> editJson(folder.resolve(INDEX), change));
    }

    private static Arguments shardOfHead(String reason, String shard) {
        return index(reason, index -> ((ObjectNode) index.get("weight_map")).put("lm_head.weight", shard));
    }

    static Stream<Arguments> indexes() {
        String outside = "Cannot read {model}/" + INDEX + ": tensor 'lm_head.weight' is put into '%s',"
                + " which is not the name of a safetensors file in the folder, at byte #";
        return Stream.of(
                arguments(
                        "Cannot open checkpoint {model}: " + INDEX + " names " + SECOND + ", which is not there",
                        (Change) folder -> Files.delete(folder.resolve(SECOND))),
                shardOfHead(outside.formatted("../evil.safetensors"), "../evil.safetensors"),
                shardOfHead(outside.formatted("/etc/passwd"), "/etc/passwd"),
                shardOfHead(outside.formatted("a/../../b.safetensors"), "a/../../b.safetensors"),
                shardOfHead(
                        "Cannot use {model}/" + INDEX + ": it puts tensor 'lm_head.weight' into " + SECOND + ", but "
                                + FIRST + " holds it",
                        SECOND),
                index(
                        "Cannot use {model}/" + INDEX + ": it does not name tensor 'lm_head.weight', which " + FIRST
                                + " holds",
                        index -> ((ObjectNode) index.get("weight_map")).remove("lm_head.weight")),
                index(
                        "Cannot use {model}/" + INDEX + ": it puts tensor 'x.weight' into " + SECOND
                                + ", which does not hold it",
                        index -> ((ObjectNode) index.get("weight_map")).put("x.weight", SECOND)),
                index("Cannot read {model}/" + INDEX + ": it has no weight_map", index -> index.remove("weight_map")),
                arguments("Cannot read {model}/" + INDEX + ": weight_map is not an object, at byte 14", (Change)
                        folder -> Files.writeString(folder.resolve(INDEX), "{\"weight_map\":" + "[".repeat(1_000_000))),
                arguments(
                        "Cannot read {model}/" + INDEX
                                + ": not acceptable JSON (Document nesting depth (17) exceeds the"
                                + " maximum allowed (16)), at byte #",
                        (Change) folder ->
                                Files.writeString(folder.resolve(INDEX), "{\"metadata\":" + "[".repeat(1_000_000))),
                arguments(
                        "Cannot open checkpoint {model}: it has " + FILE + " and also " + INDEX
                                + ", which does not name it",
                        (Change) folder -> Files.copy(folder.resolve(FIRST), folder.resolve(FILE))),
                arguments(
                        "Cannot open checkpoint {model}: tensor 'lm_head.weight' is in both " + FIRST + " and "
                                + SECOND,
                        (Change) folder -> {
                            Files.delete(folder.resolve(SECOND));
                            Files.copy(folder.resolve(FIRST), folder.resolve(SECOND));
                        }));
    }

    @ParameterizedTest
    @MethodSource("indexes")
    void refusesAnIndexThatDoesNotFit(String reason, Change damage) throws IOException {
        refuses("sharded", reason, damage);
    }

    static Stream<Arguments> noCheckpoints() {
        return Stream.of(
                arguments("Cannot open checkpoint {model}: it has neither " + FILE + " nor " + INDEX, (Change)
                        folder -> Files.delete(folder.resolve(FILE))),
                arguments("Cannot open model {model}: no config.json in it, so it is no Hugging Face folder", (Change)
                        folder -> Files.delete(folder.resolve("config.json"))),
                arguments(
                        "Cannot open model {model}: no config.json in it; to read the GGUF file there, name it:"
                                + " {model}/a.gguf",
                        (Change) folder -> Files.move(folder.resolve("config.json"), folder.resolve("a.gguf"))));
    }

    @ParameterizedTest
    @MethodSource("noCheckpoints")
    void refusesAFolderThatIsNone(String reason, Change damage) throws IOException {
        refuses("single", reason, damage);
    }

    @Test
    void refusesWhatIsNoModel() throws IOException {
        OutputFolder output = new OutputFolder(folder.resolve("out"));
        Path single = sound.resolve("single");
        output.refuses("Cannot open model {model}: no such file or folder", single.resolve("absent"));
        output.refuses(
                "Cannot open model {model}: it is one file of a Hugging Face checkpoint; name the folder, which holds"
                        + " config.json too",
                single.resolve(FILE));
        output.refuses(
                "Cannot read GGUF file {model} at byte 0: not a GGUF file: begins with bytes 7b 0a 20 20 instead of"
                        + " 47 47 55 46 (\"GGUF\")",
                single.resolve("config.json"));
    }

    @Test
    void theNextRunWorks() throws IOException {
        Path model = CheckpointDamage.copy(sound.resolve("single"), folder.resolve("model"));
        OutputFolder output = new OutputFolder(folder.resolve("out"));
        editHeader(model.resolve(FILE), header -> norm(header).remove("shape"));
        output.refuses(
                "Cannot read {model}/model.safetensors: tensor 'model.norm.weight' has no shape, at byte #", model);
        editHeader(model.resolve(FILE), header -> norm(header).putArray("shape").add(256));
        output.accepts(model);
    }

    private void refuses(String checkpoint, String reason, Change damage) throws IOException {
        Path model = CheckpointDamage.copy(sound.resolve(checkpoint), folder.resolve("model"));
        damage.apply(model);
        new OutputFolder(folder.resolve("out")).refuses(reason, model);
    }
}
