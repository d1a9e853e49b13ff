package io.sparkgguf.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.cli.Cli.Outcome;
import io.sparkgguf.fixtures.Fixture;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What evaluate and imatrix do not work with: one line, its exit code, nothing written. */
class RefusedEvaluationTest {
    private static final String TEXT = Cli.DOCS_LM + "/samples-eval.txt";

    @TempDir
    private static Path sound;

    private static Path fixture;
    private static Path gguf;

    @TempDir
    private Path folder;

    @BeforeAll
    static void writeModels() throws IOException {
        fixture = Fixture.LLAMA.write(sound.resolve("llama"));
        gguf = Cli.quantize(sound.resolve("llama.gguf"), fixture.toString(), "F16");
    }

    /** @param line words, with {@code {gguf}}, {@code {fixture}}, {@code {text}}, {@code {folder}} for names */
    private void refused(int code, String reason, String line) throws IOException {
        Set<String> before = Cli.names(folder);
        List<String> words = new ArrayList<>();
        for (String word : line.split(" ")) {
            words.add(named(word));
        }
        Outcome outcome = Cli.run(words.toArray(String[]::new));
        assertEquals(named(reason), outcome.reason());
        assertEquals(code, outcome.code());
        assertEquals("", outcome.out());
        assertEquals(before, Cli.names(folder));
    }

    private String named(String text) {
        return text.replace("{gguf}", gguf.toString())
                .replace("{fixture}", fixture.toString())
                .replace("{docs}", Cli.DOCS_LM)
                .replace("{text}", TEXT)
                .replace("{folder}", folder.toString());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            value = {
                "evaluate -m {docs} -g {gguf} -f {text}"
                        + " | Cannot compare {gguf} with {docs}: its vocabulary has 512 tokens, not 4,096",
                "evaluate -m {docs} -g {folder}/none.gguf -f {text}"
                        + " | Cannot open model {folder}/none.gguf: no such file or folder",
                "evaluate -m {docs} -f {text} -o {docs}/config.json"
                        + " | Cannot write {docs}/config.json: a model is read from it",
                "evaluate -m {docs} -f {text} -o {text} | Cannot write {text}: the text is read from it",
                "evaluate -m {docs} -f {text} -o {folder} | Cannot write {folder}: it is a folder",
                "evaluate -m {docs} -f {text} --calibration {docs}/samples-calibration.txt -o"
                        + " {docs}/samples-calibration.txt"
                        + " | Cannot write {docs}/samples-calibration.txt: the calibration text is read from it",
                "evaluate -m {docs} -f {text} --calibration {folder}/none.txt"
                        + " | Cannot compare with {folder}/none.txt: no such file or folder",
                "imatrix -m {docs} -f {text} -o {text}"
                        + " | Cannot write {text}: the calibration text is read from it",
                "imatrix -m {docs} -f {text} -o {docs}/model.safetensors"
                        + " | Cannot write {docs}/model.safetensors: the model is read from it",
                "imatrix --merge {folder}/none -o {folder}/out" + " | Cannot merge imatrix {folder}/none: no such file",
            })
    void refusesInput(String line, String reason) throws IOException {
        refused(Main.REFUSED, reason, line);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "evaluate -m {docs} -f {text} -c 3"
                        + " | Cannot evaluate with --context 3: nothing is scored below 4 tokens",
                "evaluate -m {docs} -f {text} --chunks 0 | Cannot evaluate 0 chunks: at least 1 is needed",
                "imatrix -m {docs} -o {folder}/out" + " | Cannot collect importance: --model needs --calibration",
                "imatrix -f {text} -o {folder}/out | Cannot collect importance: --calibration needs --model",
                "imatrix -o {folder}/out"
                        + " | Cannot write an importance matrix of nothing: give --model and --calibration, or --merge",
                "imatrix -m {docs} -f {text} --chunks -1 -o {folder}/out"
                        + " | Cannot collect importance of -1 chunks: at least 1 is needed",
            })
    void refusesACommandLine(String line, String reason) throws IOException {
        refused(Main.USAGE, reason, line);
    }

    /** The reasons of reading text are told elsewhere; here they must arrive, whichever command reads. */
    @ParameterizedTest
    @ValueSource(strings = {"evaluate", "imatrix"})
    void refusesText(String command) throws IOException {
        Path output = folder.resolve("out");
        Path brief = Files.writeString(folder.resolve("brief.txt"), "Too short.");
        Outcome tooShort = Cli.run(command, "-m", Cli.DOCS_LM, "-f", brief.toString(), "-o", output.toString());
        assertEquals(Main.REFUSED, tooShort.code(), tooShort.err());
        assertTrue(tooShort.reason().contains("less than one sequence of 512"), tooShort.err());

        String absent = folder.resolve("absent.txt").toString();
        Outcome missing = Cli.run(command, "-m", Cli.DOCS_LM, "-f", absent, "-o", output.toString());
        assertEquals(Main.REFUSED, missing.code(), missing.err());
        assertTrue(missing.reason().contains(absent), missing.err());

        Outcome untokenized = Cli.run(command, "-m", gguf.toString(), "-f", TEXT, "-o", output.toString());
        assertEquals(Main.REFUSED, untokenized.code(), untokenized.err());
        assertTrue(untokenized.reason().contains("--tokenizer"), untokenized.err());
        assertEquals(Set.of("brief.txt"), Cli.names(folder));
    }

    @Test
    void refusesAnArchitectureThatItCannotRun() throws IOException {
        Path other = Cli.quantize(
                folder.resolve("other.gguf"),
                fixture.toString(),
                "F16",
                "--override-kv",
                "llama.logit_scale=float:0.5");
        refused(
                Main.REFUSED,
                "Cannot run Llama: llama.logit_scale is 0.5, which the forward pass does not know",
                "evaluate -m " + other + " -f {text} --tokenizer {fixture}");
    }
}
