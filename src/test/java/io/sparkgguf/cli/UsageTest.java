package io.sparkgguf.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.cli.Cli.Outcome;
import io.sparkgguf.fixtures.Fixture;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Command lines that are not understood: one line with the reason, one with where to read on, exit code 2. */
class UsageTest {
    private static final String KNOWN_COMMANDS =
            "Known: quantize, plan, inspect, validate, evaluate, imatrix, survey, clean, help";

    @TempDir
    private Path folder;

    private static void misunderstood(String command, String reason, String... line) {
        Outcome outcome = Cli.run(line);
        String called = command.isEmpty() ? "spark-gguf" : "spark-gguf " + command;
        assertEquals(
                "spark-gguf: " + reason + "\nTry '" + called + " --help'.\n",
                outcome.err().replace(System.lineSeparator(), "\n"));
        assertEquals("", outcome.out());
        assertEquals(Main.USAGE, outcome.code());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                " | Cannot run: no command given (quantize, plan, inspect, validate, evaluate, imatrix, survey or clean)",
                "quantise | Cannot run 'quantise': unknown command; did you mean quantize? " + KNOWN_COMMANDS,
                "validat x.gguf | Cannot run 'validat': unknown command; did you mean validate? " + KNOWN_COMMANDS,
                "xyzzy | Cannot run 'xyzzy': unknown command. " + KNOWN_COMMANDS,
                "--vers | Cannot run spark-gguf: unknown option --vers; did you mean --version?",
            })
    void refusesACommand(String line, String reason) {
        misunderstood("", reason, words(line));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "quantize --typ Q8_0 | unknown option --typ; did you mean --type?",
                "quantize --model x --typ=Q8_0 | unknown option --typ; did you mean --type?",
                "quantize -m x -o y -t Q8_0 --nofallback | unknown option --nofallback; did you mean --no-fallback?",
                "quantize -m x -o y -t Q8_0 --frobnicate | unknown option --frobnicate.",
                "quantize -m x -o y -t Q8_0 -x | unknown option -x",
                "validate --jsn x.gguf | unknown option --jsn; did you mean --json?",
                "plan -m x -t Q8_0 surplus | unexpected argument 'surplus'",
                "quantize | missing required options: '--model=PATH', '--type=TYPE'",
                "quantize -m x -t Q8_0 | missing required option: '--output=FILE' (or --dry-run)",
                "plan -m x | missing required option: '--type=TYPE'",
                "plan -m x -t | missing required parameter for option '--type' (TYPE)",
                "plan -t -m x | expected parameter for option '--type' but found '-m'",
                "plan -m x -t Q8_0 -t Q4_0 | option '--type' (TYPE) should be specified only once",
                "inspect | missing required parameter: 'PATH'",
                "plan -m x -t Q8_0 --unit-memory 64x"
                        + " | invalid value for option '--unit-memory': \"64x\" is not a size such as 64m or 2G",
                "plan -m x -t Q8_0 --unit-memory -1"
                        + " | invalid value for option '--unit-memory': \"-1\" is not a size such as 64m or 2G",
                "plan -m x -t Q8_0 --split-max-size 0"
                        + " | invalid value for option '--split-max-size': \"0\" is not a size such as 64m or 2G",
                "plan -m x -t Q8_0 --split-max-size 99999999999T"
                        + " | invalid value for option '--split-max-size': \"99999999999T\" is too large a size",
            })
    void refusesAnArgument(String line, String reason) {
        String command = line.split(" ")[0];
        misunderstood(command, "Cannot run " + command + ": " + reason, words(line));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--tensor-type attn_v"
                        + " | Cannot use tensor type override \"attn_v\": expected PATTERN=TYPE, for example attn_v=Q6_K",
                "--tensor-type attn_(=Q6_K | Cannot use tensor name pattern \"attn_(\": Unclosed group at character 6",
                "--override-kv a | Cannot override metadata with \"a\": expected KEY=TYPE:VALUE, for example"
                        + " tokenizer.ggml.add_bos_token=bool:false",
                "--override-kv a=int:b | Cannot override metadata with \"a=int:b\": \"b\" is no whole number",
                "--override-kv a=long:1 | Cannot override metadata with \"a=long:1\": type \"long\" is unknown. Known:"
                        + " int, float, bool, str",
                "--override-kv a=bool:yes"
                        + " | Cannot override metadata with \"a=bool:yes\": \"yes\" is neither true nor false",
                "--unit-memory 1k | Cannot use --unit-memory 1024: it must lie between 64k and 1g, for example 64m",
                "--unit-memory 2g | Cannot use --unit-memory 2147483648: it must lie between 64k and 1g, for example 64m",
                "--keep-split --split-max-size 2G | Cannot combine --keep-split with --split-max-size: one keeps the"
                        + " shards of the source, the other cuts new ones",
                "--leave-output-tensor --output-tensor-type Q6_K | Cannot combine --leave-output-tensor with"
                        + " --output-tensor-type Q6_K: one keeps output.weight as it is, the other changes it",
                "--include-weights a --exclude-weights b"
                        + " | Cannot combine --include-weights with --exclude-weights: use one of them",
                "--exclude-weights a | Cannot use --exclude-weights without --imatrix: it chooses among the tensors of an"
                        + " importance matrix",
            })
    void refusesAValue(String options, String reason) {
        misunderstood("plan", reason, words("plan --model x --type Q8_0 " + options));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--type Q4_KM | Cannot use type \"Q4_KM\": unknown; did you mean Q4_K_M? Known: F32, ",
                "--type q6k | Cannot use type \"q6k\": unknown; did you mean Q6_K? Known: F32, ",
                "--type NVFP4 | Cannot use type \"NVFP4\": a type of single tensors (see --tensor-type), not of files",
                "--type 4711 | Cannot use type \"4711\": unknown. Known: F32, ",
                "--type Q8_0 --tensor-type v=Q6K | Cannot use tensor type \"Q6K\": unknown; did you mean Q6_K? Known: ",
                "--type Q8_0 --output-tensor-type I32 | Cannot use tensor type I32: not a type for weights. Known: ",
                "--type COPY --pure | Cannot combine type COPY with --pure: COPY keeps every tensor as it is",
            })
    void refusesAType(String options, String start) {
        String[] line = words("plan --model x " + options);
        Outcome outcome = Cli.run(line);
        assertTrue(outcome.reason().startsWith(start), outcome.err());
        misunderstood("plan", outcome.reason(), line);
    }

    /** A file of overrides is input: what is wrong with it is told with its name and line. */
    @Test
    void refusesAFileOfTypes() throws IOException {
        Path types = folder.resolve("types");
        refusedTypes(types, "Cannot read " + types + ": no such file");
        Files.writeString(types, "attn_v=Q6_K\nffn_down=Q6K\n");
        refusedTypes(
                types,
                "Cannot read tensor types from " + types + ", line 2: Cannot use tensor type \"Q6K\": unknown; did you"
                        + " mean Q6_K? Known: ");
        Files.writeString(types, " \n");
        refusedTypes(types, "Cannot read tensor types from " + types + ": no PATTERN=TYPE in it");
        Files.write(types, new byte[] {(byte) 0xff});
        refusedTypes(types, "Cannot read " + types + ": it is not UTF-8");
        CheckpointDamage.resize(types, 17 << 20);
        refusedTypes(types, "Cannot read " + types + ": it has 17825792 bytes, more than the 16777216 allowed");
    }

    private static void refusedTypes(Path types, String start) {
        Outcome outcome = Cli.run("plan", "-m", "x", "-t", "Q8_0", "--tensor-type-file", types.toString());
        assertTrue(outcome.reason().startsWith(start), outcome.err());
        assertEquals("spark-gguf: " + outcome.reason() + System.lineSeparator(), outcome.err());
        assertEquals(Main.REFUSED, outcome.code());
    }

    @Test
    void refusesWhatTheModelCannotTake() throws IOException {
        Path model = Fixture.LLAMA.write(folder.resolve("llama"));
        OutputFolder output = new OutputFolder(folder.resolve("out"));
        output.refuses(
                "Cannot plan tensor blk.0.attn_k.weight: 32 row(s) of 256 columns take # bytes of memory, but"
                        + " --unit-memory is 65536",
                model,
                "--unit-memory",
                "64k");
        output.refuses(
                "Cannot split into files of 1000 bytes: tensor 'output.weight' needs a file of #",
                model,
                "--split-max-size",
                "1k");
        output.refusesFrom(
                "Cannot use type IQ2_M: known, but IQ2_S has no encoder yet. Available: F32, ",
                model,
                "--type",
                "IQ2_M");
        output.accepts(model, "--unit-memory", "1m");
    }

    @ParameterizedTest
    @ValueSource(strings = {"quantize", "plan", "inspect", "validate", "evaluate", "imatrix", "survey"})
    void helpTeachesWithExamples(String command) {
        Outcome outcome = Cli.run(command, "--help");
        assertEquals(0, outcome.code());
        assertEquals("", outcome.err());
        List<String> lines = outcome.out().lines().toList();
        assertTrue(lines.get(0).startsWith("Usage: spark-gguf " + command + " "), outcome.out());
        assertTrue(lines.stream().anyMatch(line -> line.startsWith("  spark-gguf " + command + " ")), outcome.out());
        lines.forEach(line -> assertTrue(line.length() <= 80, line));
        assertEquals(outcome, Cli.run("help", command));
    }

    private static String[] words(String line) {
        return line == null || line.isBlank() ? new String[0] : line.split(" ");
    }
}
