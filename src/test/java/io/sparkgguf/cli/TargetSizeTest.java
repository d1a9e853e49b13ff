package io.sparkgguf.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkgguf.cli.Cli.Outcome;
import io.sparkgguf.fixtures.BitNetCheckpoint;
import io.sparkgguf.fixtures.Fixture;
import io.sparkgguf.job.QuantizeJob;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.job.work.WorkFolder;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;
import picocli.CommandLine.ParseResult;

/** Files of given size, through the command line: never larger, the same from any run, explained in the report. */
class TargetSizeTest {
    private static final long SEED = 21;

    @TempDir
    private static Path shared;

    private static Path model;
    private static Path tokens;

    @TempDir
    private Path folder;

    @BeforeAll
    static void writeModel() throws IOException {
        model = Fixture.LLAMA.write(shared.resolve("model"));
        ByteBuffer bytes = ByteBuffer.allocate(4 * 256).order(ByteOrder.LITTLE_ENDIAN);
        new Random(SEED).ints(256, 0, 512).forEach(bytes::putInt);
        tokens = Files.write(shared.resolve("tokens.bin"), bytes.array());
    }

    private static List<String> line(String options) {
        return new ArrayList<>(Arrays.asList(options.replace("TOKENS", tokens.toString())
                .replace("MODEL", model.toString())
                .split(" ")));
    }

    private Path made(String master, String name, String options) {
        Path output = folder.resolve(name);
        List<String> line = line("quantize --output " + output + " " + options);
        if (!options.contains("--model")) {
            line.addAll(List.of("--model", model.toString()));
        }
        Outcome outcome = Cli.runOn(master, line.toArray(String[]::new));
        assertEquals(0, outcome.code(), outcome.err());
        return output;
    }

    private static JsonNode report(Path output) throws IOException {
        return new ObjectMapper().readTree(Path.of(output + ".report.json").toFile());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "--target-bpw 4.6",
                "--target-bpw 4.6 --target-text TOKENS --target-tokens 64",
                "--target-bpw 4.6 --calibration TOKENS --sequence-length 32 --sweeps 0 --target-tokens 64",
                "--target-size 700KiB --split-max-size 500K",
            })
    void theSameBytesFromAnyNumberOfThreads(String options) throws IOException {
        String one = Cli.sha256(made("local[1]", "one.gguf", options.replaceAll(" --split-max-size \\S+", "")));
        String three = Cli.sha256(made("local[3]", "three.gguf", options.replaceAll(" --split-max-size \\S+", "")));
        assertEquals(one, three);
        if (options.contains("--split-max-size")) {
            made("local[2]", "split.gguf", options);
            long all = 0;
            Set<String> names = Cli.names(folder);
            for (String name : names) {
                all += name.startsWith("split") && name.endsWith(".gguf") ? Files.size(folder.resolve(name)) : 0;
            }
            assertTrue(names.contains("split-00002-of-00002.gguf"), names.toString());
            assertTrue(all <= 700 * 1024 && all > 0.98 * 700 * 1024, all + " bytes of all shards");
        }
    }

    @Test
    void theReportTellsWhatEachTensorGotAndWhatAByteIsWorth() throws IOException {
        long limit = 800_000;
        Path output = made("local[2]", "sized.gguf", "--target-size " + limit + " --tie attn_[qk]\\.");
        assertTrue(Files.size(output) <= limit && Files.size(output) >= 0.995 * limit, Files.size(output) + " bytes");
        JsonNode report = report(output);
        JsonNode budget = report.get("budget");
        assertEquals(Files.size(output), budget.get("bytes").asLong());
        assertEquals(limit, budget.get("limitBytes").asLong());
        assertEquals("the tensor's role", budget.get("effects").asText());
        assertEquals("all columns alike", budget.get("errors").asText());
        double price = budget.get("price").asDouble();
        assertTrue(price > 0);
        double sum = 0;
        for (JsonNode choice : budget.get("choices")) {
            String type = choice.get("type").asText();
            sum += choice.get("error").asDouble();
            for (JsonNode tensor : choice.get("tensors")) {
                assertEquals(type, typeOf(report, tensor.asText()));
            }
            JsonNode candidates = choice.get("candidates");
            for (int i = 1; i < candidates.size(); i++) {
                assertTrue(candidates.get(i - 1).get("bytes").asLong()
                        < candidates.get(i).get("bytes").asLong());
            }
            assertTrue(
                    choice.get("gain").asDouble() >= 0 && choice.get("missed").asDouble() >= 0);
        }
        assertEquals(sum, budget.get("error").asDouble(), 1e-4 * sum);
        assertTrue(budget.get("bound").asDouble() <= budget.get("error").asDouble());
        assertEquals(
                report.get("options").get("--target-size").asText(),
                Long.toString(limit),
                report.get("options").toString());
    }

    private static String typeOf(JsonNode report, String name) {
        for (JsonNode tensor : report.get("tensors")) {
            if (tensor.get("name").asText().equals(name)) {
                assertEquals("BUDGET", tensor.get("rule").asText());
                return tensor.get("type").asText();
            }
        }
        throw new AssertionError("no tensor " + name);
    }

    @Test
    void thePlanIsWhatIsMade() throws IOException {
        String options = "--target-bpw 5 --target-text TOKENS --target-tokens 32 --min-type attn_v=Q5_K";
        Outcome planned = Cli.run(line("plan --json --model MODEL " + options).toArray(String[]::new));
        assertEquals(0, planned.code(), planned.err());
        JsonNode plan = new ObjectMapper().readTree(planned.out());
        Path output = made("local[2]", "made.gguf", options);
        assertEquals(Files.size(output), plan.get("fileBytes").asLong());
        assertEquals(
                report(output).get("budget").get("choices"), plan.get("budget").get("choices"));
        assertEquals(
                "measured on text, a tensor at a time",
                plan.get("budget").get("effects").asText());
        Outcome told = Cli.run(line("plan --model MODEL " + options).toArray(String[]::new));
        assertTrue(told.out().contains("least error by --target-bpw 5.0"), told.out());
        assertTrue(told.out().contains("--target-bpw 5.0: "), told.out());
    }

    @Test
    void aGgufSourceWorksLikeTheFolderItIsFrom() throws IOException {
        Path f32 = made("local[2]", "f32.gguf", "--type F32");
        String options = "--target-bpw 4 --type Q3_K_M --target-text TOKENS --target-tokens 32";
        Path fromFolder = made("local[2]", "a.gguf", options);
        Path fromFile = made("local[2]", "b.gguf", options + " --model " + f32);
        assertEquals(
                report(fromFolder).get("budget").get("choices"),
                report(fromFile).get("budget").get("choices"));
    }

    @Test
    void ternaryWeightsStayWhatTheyAre() throws IOException {
        Path bitnet = BitNetCheckpoint.packed(Fixture.BITNET, "autobitlinear").write(folder.resolve("bitnet"));
        Path output = made("local[2]", "t.gguf", "--type TQ2_0 --target-bpw 4 --model " + bitnet);
        boolean chosen = false;
        for (JsonNode tensor : report(output).get("tensors")) {
            String name = tensor.get("name").asText();
            boolean ternary = name.contains("blk.") && tensor.get("shape").size() == 2;
            chosen |= tensor.get("rule").asText().equals("BUDGET");
            assertFalse(ternary && tensor.get("rule").asText().equals("BUDGET"), name);
            if (ternary) {
                assertTrue(tensor.get("ternary").get("exact").asBoolean(), tensor.toString());
            }
        }
        assertTrue(chosen, "embeddings compete");
    }

    private Breaking run(Path output, String options, Breaking progress, WorkFolder.Start start) throws IOException {
        QuantizeOptions asked = new QuantizeOptions();
        ParseResult parsed = new CommandLine(asked)
                .setCaseInsensitiveEnumValuesAllowed(true)
                .parseArgs(line("--model MODEL " + options).toArray(String[]::new));
        System.setProperty("spark.master", "local[2]");
        try (Session session = new Session("target")) {
            new QuantizeJob(session, asked.settings(parsed, output.toString(), null, null), progress).run(start);
        } finally {
            System.clearProperty("spark.master");
        }
        return progress;
    }

    @ParameterizedTest
    @CsvSource({"types: effects, --target-bpw 5", "quantize, --target-bpw 5", "quantize, --target-bpw 3.5"})
    void whatIsMeasuredIsMeasuredOnce(String broken, String second) throws IOException {
        String text = " --target-text TOKENS --target-tokens 32";
        Path output = folder.resolve("out.gguf");
        Breaking first = new Breaking(stage -> {
            if (stage.equals(broken)) {
                throw new IOException("broken on purpose");
            }
        });
        assertThrows(Exception.class, () -> run(output, "--target-bpw 5" + text, first, WorkFolder.Start.ANY));
        boolean same = second.endsWith(" 5");
        WorkFolder.Start start = same ? WorkFolder.Start.RESUME : WorkFolder.Start.ANY;
        Breaking again = run(output, second + text, new Breaking(stage -> {}), start);
        assertFalse(again.begun().contains("types: errors"), again.begun().toString());
        assertEquals(
                broken.equals("types: effects"),
                again.begun().contains("types: effects"),
                again.begun().toString());
        Path undisturbed = made("local[1]", "undisturbed.gguf", second + text);
        assertEquals(Cli.sha256(undisturbed), Cli.sha256(output));
        if (same) {
            assertFalse(Files.exists(folder.resolve("out.gguf.work")), "nothing stays");
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--target-size 10K | Cannot make a file of at most 10,000 bytes: with the types allowed it has between .* and"
                        + " .* bytes",
                "--target-bpw 4 --target-size 1G | Cannot combine --target-size with --target-bpw: each sets the size",
                "--target-bpw 4 --pure | Cannot combine --target-bpw 4.0 with --pure: .*",
                "--target-bpw 4 --type COPY | Cannot combine --target-bpw 4.0 with type COPY: .*",
                "--target-bpw -1 | Cannot aim at -1.0 bits per weight: give more than 0 and at most 64",
                "--target-bpw 4 --min-type attn_v | Cannot use --min-type \"attn_v\": expected PATTERN=TYPE, for example .*",
                "--target-bpw 4 --min-type nothing=Q4_K | Cannot use --min-type nothing=Q4_K: the pattern is found in .*",
                "--target-bpw 4 --min-type a=Q6_K --max-type a=Q3_K | Cannot choose a type for .*: none of its candidate"
                        + " types is within --min-type a=Q6_K and --max-type a=Q3_K",
                "--target-bpw 4 --tensor-type attn_v=Q3_K --min-type attn_v=Q4_K | Cannot choose a type for"
                        + " blk.0.attn_v.weight: Q3_K, which it has by --tensor-type attn_v=Q3_K, is not within .*",
                "--target-bpw 4 --target-types Q4_K,Q4_K | Cannot choose types: --target-types names one of them twice",
                "--target-bpw 4 --target-types Q9_K | Cannot use tensor type \"Q9_K\": unknown.*",
                "--target-bpw 4 --tie ( | Cannot use tensor name pattern \"\\(\": .*",
                "--type Q4_K_M --min-type attn_v=Q4_K | Cannot use --min-type without --target-size or --target-bpw: .*",
                "--target-bpw 4 --target-text nowhere.txt | Cannot .*nowhere.txt.*",
            })
    void whatCannotBeDoneIsRefusedInALine(String options, String reason) throws IOException {
        Path output = folder.resolve("no.gguf");
        List<String> line = line("quantize --model MODEL --output " + output + " " + options);
        Outcome outcome = Cli.run(line.toArray(String[]::new));
        assertTrue(outcome.reason().matches(reason), outcome.err());
        assertFalse(outcome.code() == 0);
        assertEquals(Set.of(), Cli.names(folder), "nothing is left");
    }

    @ParameterizedTest
    @CsvSource({
        "24GiB, 25769803776",
        "3.5GB, 3500000000",
        "3.5g, 3500000000",
        "1.5KiB, 1536",
        "4364960, 4364960",
        "7B, 7",
        "2Ki, 2048"
    })
    void sizesOfFilesMeanWhatTheySay(String text, long bytes) throws Exception {
        assertEquals(bytes, new ByteSize.File().convert(text));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "0", "0.0GB", "x", "1.5", "1..5G", "-3G", "3 G", "3iB", "99999999TiB"})
    void otherSizesAreRefused(String text) {
        String reason = assertThrows(Exception.class, () -> new ByteSize.File().convert(text))
                .getMessage();
        assertTrue(reason.contains("\"" + text + "\" is "), reason);
    }
}
