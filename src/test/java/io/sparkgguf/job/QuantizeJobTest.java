package io.sparkgguf.job;

import static io.sparkgguf.cli.Cli.DOCS_LM;
import static io.sparkgguf.cli.Cli.quantize;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkgguf.cli.Cli;
import io.sparkgguf.cli.Cli.Outcome;
import io.sparkgguf.format.gguf.GgufHeader;
import io.sparkgguf.format.gguf.GgufReader;
import io.sparkgguf.format.gguf.GgufTensor;
import io.sparkgguf.storage.LocalStorage;
import io.sparkgguf.storage.RangeReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The main job, end to end, on the model of this repository. */
class QuantizeJobTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    static Path shared;

    /** docs-lm in Q4_K_M by two threads and units of the default size. */
    private static Path reference;

    @TempDir
    Path folder;

    @BeforeAll
    static void quantizeOnce() {
        reference = quantize(shared.resolve("reference.gguf"), DOCS_LM, "Q4_K_M");
    }

    @ParameterizedTest
    @CsvSource({"local[1], 64m", "local[2], 320k", "local[4], 1m", "local[2], 5000k"})
    void theSameBytesFromAnyNumberOfThreadsAndUnits(String master, String unitMemory) throws IOException {
        Path output = folder.resolve("other.gguf");
        Outcome outcome = Cli.runOn(master, command(output, DOCS_LM, "Q4_K_M", "--unit-memory", unitMemory));
        assertEquals(0, outcome.code(), outcome.err());
        assertEquals(Cli.sha256(reference), Cli.sha256(output));
        JsonNode expected = report(reference).get("tensors");
        JsonNode tensors = report(output).get("tensors");
        assertEquals(expected.size(), tensors.size());
        for (int i = 0; i < tensors.size(); i++) { // what the report measures does not depend on it either
            for (String figure : List.of("relativeError", "maxError", "cosine", "xxh64")) {
                assertEquals(expected.get(i).get(figure), tensors.get(i).get(figure), figure);
            }
        }
    }

    @Test
    void leavesTheFileAndItsReportAndNothingElse() throws IOException {
        assertEquals(new TreeSet<>(Set.of("reference.gguf", "reference.gguf.report.json")), Cli.names(shared));
    }

    @Test
    void theReportTellsWhatWasDone() throws IOException {
        JsonNode report = report(reference);
        assertEquals("spark-gguf", report.at("/tool/name").asText());
        assertEquals("llama", report.at("/source/architecture").asText());
        assertEquals("llama-bpe", report.at("/tokenizer/pre").asText());
        assertEquals("Q4_K_M", report.at("/options/--type").asText());
        assertEquals(6_819_072, report.at("/totals/weights").asLong());
        double worst = 0;
        for (JsonNode tensor : report.get("tensors")) {
            assertTrue(tensor.get("relativeError").asDouble() < 0.12, tensor.toString());
            assertTrue(tensor.get("cosine").asDouble() > 0.99, tensor.toString());
            worst = Math.max(worst, tensor.get("relativeError").asDouble());
        }
        assertTrue(worst > 0.02, "4-bit rounding of natural weights cannot be near exact, worst is " + worst);

        GgufHeader header = header(reference);
        assertEquals(Files.size(reference), header.paddedEnd());
        assertEquals(15L, header.metadata().integer("general.file_type").orElseThrow());
        assertEquals(
                2L, header.metadata().integer("general.quantization_version").orElseThrow());
        assertEquals("spark-gguf", header.metadata().string("quantize.tool").orElseThrow());
        assertEquals(
                header.tensors().stream().mapToLong(GgufTensor::bytes).sum(),
                report.at("/totals/bytes").asLong());
    }

    @Test
    void validateAgreesWithTheReportAndTheSource() throws IOException {
        Outcome outcome = Cli.run("validate", reference.toString(), "--model", DOCS_LM, "--json");
        assertEquals(0, outcome.code(), outcome.err() + outcome.out());
        JsonNode result = JSON.readTree(outcome.out());
        JsonNode reported = report(reference).get("tensors");
        assertTrue(result.get("valid").asBoolean());
        assertEquals(reported.size(), result.get("tensors").size());
        for (int i = 0; i < reported.size(); i++) {
            JsonNode tensor = result.get("tensors").get(i);
            assertEquals(reported.get(i).get("xxh64"), tensor.get("xxh64"));
            assertEquals(reported.get(i).get("xxh64"), tensor.get("expected"));
            assertEquals(
                    reported.get(i).get("relativeError").asDouble(),
                    tensor.get("relativeError").asDouble(),
                    1e-5,
                    tensor.get("name").asText());
        }
    }

    @Test
    void validateFindsOneChangedBit() throws IOException {
        Path copy = folder.resolve("copy.gguf");
        byte[] bytes = Files.readAllBytes(reference);
        bytes[bytes.length / 2] ^= 4;
        Files.write(copy, bytes);
        Files.copy(shared.resolve("reference.gguf.report.json"), folder.resolve("copy.gguf.report.json"));
        Outcome outcome = Cli.run("validate", copy.toString());
        assertEquals(4, outcome.code(), outcome.out());
        assertTrue(outcome.out().contains("NOT valid"), outcome.out());
        assertTrue(outcome.out().matches("(?s).*invalid: tensor \\S+ has xxHash64 .* in the report.*"), outcome.out());
    }

    @Test
    void validateFindsWeightsOfAnotherTensor() throws IOException {
        GgufHeader header = header(reference);
        List<GgufTensor> ups = header.tensors().stream()
                .filter(tensor -> tensor.name().endsWith("ffn_up.weight"))
                .toList();
        byte[] bytes = Files.readAllBytes(reference);
        int length = (int) ups.get(0).bytes();
        System.arraycopy(
                bytes,
                (int) (header.dataStart() + ups.get(1).offset()),
                bytes,
                (int) (header.dataStart() + ups.get(0).offset()),
                length);
        Path swapped = folder.resolve("swapped.gguf");
        Files.write(swapped, bytes);
        assertEquals(0, Cli.run("validate", swapped.toString()).code(), "every block is sound, there is no report");
        Outcome outcome = Cli.run("validate", swapped.toString(), "--model", DOCS_LM);
        assertEquals(4, outcome.code(), outcome.out());
        assertTrue(
                outcome.out().contains("invalid: tensor " + ups.get(0).name() + " is not a rounding of the source"),
                outcome.out());
    }

    @Test
    void anImportanceMatrixChangesTheBytesAndIsNamed() throws IOException {
        Path imatrix = Imatrices.write(folder.resolve("m.imatrix.gguf"), header(reference));
        Path output = quantize(
                folder.resolve("weighted.gguf"),
                DOCS_LM,
                "Q4_K_M",
                "--imatrix",
                imatrix.toString(),
                "--exclude-weights",
                "blk.0.ffn_up");
        JsonNode weighted = report(output).get("tensors");
        JsonNode plain = report(reference).get("tensors");
        for (int i = 0; i < weighted.size(); i++) {
            String name = weighted.get(i).get("name").asText();
            boolean used = weighted.get(i).get("importance").asBoolean();
            boolean expected = name.startsWith("blk.") && !name.contains("norm") && !name.contains("blk.0.ffn_up");
            assertEquals(expected, used, name);
            assertEquals(!used, weighted.get(i).get("xxh64").equals(plain.get(i).get("xxh64")), name);
        }
        assertEquals(
                imatrix.toString(),
                header(output).metadata().string("quantize.imatrix.file").orElseThrow());
    }

    @Test
    void aGgufIsASourceToo() throws IOException {
        Path f32 = quantize(folder.resolve("f32.gguf"), DOCS_LM, "F32");
        Path output = quantize(folder.resolve("again.gguf"), f32.toString(), "Q4_K_M");
        assertEquals(
                tensorDigests(reference), tensorDigests(output), "F32 holds BF16 exactly, so the bytes are the same");
        assertEquals(
                header(reference).metadata().asMap(), header(output).metadata().asMap());
    }

    @Test
    void aSplitModelReadsAsOneAndKeepsItsShards() throws IOException {
        quantize(folder.resolve("split.gguf"), DOCS_LM, "BF16", "--split-max-size", "4M");
        List<String> shards = new ArrayList<>(Cli.names(folder));
        shards.removeIf(name -> !name.matches("split-0000\\d-of-0000\\d\\.gguf"));
        assertTrue(shards.size() >= 4, shards.toString());
        assertFalse(Files.exists(folder.resolve("split.gguf")));
        for (String shard : shards) {
            assertTrue(Files.size(folder.resolve(shard)) <= 4_000_000, shard);
        }

        String first = folder.resolve(shards.get(0)).toString();
        Path whole = quantize(folder.resolve("whole.gguf"), first, "Q4_K_M");
        assertEquals(tensorDigests(reference), tensorDigests(whole));

        quantize(folder.resolve("kept.gguf"), first, "Q4_K_M", "--keep-split");
        for (String shard : shards) {
            assertEquals(
                    names(header(folder.resolve(shard))),
                    names(header(folder.resolve(shard.replace("split-", "kept-")))));
        }
    }

    @Test
    void theAlignmentAskedForIsTheAlignmentUsed() throws IOException {
        Path output = quantize(
                folder.resolve("aligned.gguf"), DOCS_LM, "Q4_K_S", "--override-kv", "general.alignment=int:256");
        GgufHeader header = header(output);
        assertEquals(256, header.alignment());
        assertEquals(0, header.dataStart() % 256);
        header.tensors().forEach(tensor -> assertEquals(0, tensor.offset() % 256, tensor.name()));
        assertEquals(
                0, Cli.run("validate", output.toString(), "--model", DOCS_LM).code());
    }

    @Test
    void anOlderFileStaysUntilTheRunIsDone() throws IOException {
        Path output = folder.resolve("model.gguf");
        Files.writeString(output, "the model of yesterday");
        Outcome failed = Cli.run(command(output, DOCS_LM, "Q4_K_M", "--unit-memory", "64k"));
        assertNotEquals(0, failed.code());
        assertEquals("the model of yesterday", Files.readString(output));
        quantize(output, DOCS_LM, "Q4_K_M");
        assertEquals(Cli.sha256(reference), Cli.sha256(output));
    }

    @Test
    void whatAKilledRunLeftIsNoObstacle() throws IOException {
        Path output = folder.resolve("model.gguf");
        Files.writeString(folder.resolve("model.gguf.unfinished"), "half a file");
        Files.createDirectories(folder.resolve("model.gguf.work"));
        quantize(output, DOCS_LM, "Q4_K_M");
        assertEquals(Cli.sha256(reference), Cli.sha256(output));
        assertEquals(new TreeSet<>(Set.of("model.gguf", "model.gguf.report.json")), Cli.names(folder));
    }

    @Test
    void planSaysWhatQuantizeDoes() throws IOException {
        Outcome outcome = Cli.run("plan", "--model", DOCS_LM, "--type", "Q4_K_M", "--json");
        assertEquals(0, outcome.code(), outcome.err());
        JsonNode plan = JSON.readTree(outcome.out());
        assertEquals(Files.size(reference), plan.get("fileBytes").asLong());
        JsonNode done = report(reference).get("tensors");
        for (int i = 0; i < done.size(); i++) {
            for (String key : List.of("name", "type", "offset", "bytes", "reason")) {
                assertEquals(done.get(i).get(key), plan.get("tensors").get(i).get(key));
            }
        }
        assertEquals(
                Cli.run("plan", "--model", DOCS_LM, "--type", "Q4_K_M").out(),
                Cli.run("quantize", "--dry-run", "--model", DOCS_LM, "--type", "Q4_K_M")
                        .out());
    }

    @Test
    void inspectListsSourcesAndResults() throws IOException {
        JsonNode source = JSON.readTree(Cli.run("inspect", DOCS_LM, "--json").out());
        JsonNode result =
                JSON.readTree(Cli.run("inspect", reference.toString(), "--json").out());
        assertEquals(6_819_072, source.get("weights").asLong());
        assertEquals(6_819_072, result.get("weights").asLong());
        assertEquals("llama", result.at("/metadata").get("general.architecture").asText());
        assertEquals("GGUF v3", result.get("format").asText());
        assertTrue(Cli.run("inspect", reference.toString()).out().contains("blk.5.ffn_up.weight"));
    }

    private static String[] command(Path output, String model, String type, String... more) {
        List<String> command =
                new ArrayList<>(List.of("quantize", "--model", model, "--output", output.toString(), "--type", type));
        command.addAll(List.of(more));
        return command.toArray(String[]::new);
    }

    private static JsonNode report(Path output) throws IOException {
        return JSON.readTree(Path.of(output + ".report.json").toFile());
    }

    private static GgufHeader header(Path file) throws IOException {
        try (RangeReader reader = new LocalStorage().open(file.toString())) {
            return GgufReader.read(reader);
        }
    }

    private static List<String> names(GgufHeader header) {
        return header.tensors().stream().map(GgufTensor::name).toList();
    }

    private static List<String> tensorDigests(Path output) throws IOException {
        List<String> digests = new ArrayList<>();
        report(output).get("tensors").forEach(tensor -> digests.add(tensor.get("name") + " " + tensor.get("xxh64")));
        return digests;
    }
}
