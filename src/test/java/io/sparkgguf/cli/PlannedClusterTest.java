package io.sparkgguf.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkgguf.cli.Cli.Outcome;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A plan says what a cluster would take, and refuses one on which a task or the driver would run out of memory. */
class PlannedClusterTest {
    private static final String TEXT = Cli.DOCS_LM + "/samples-calibration.txt";

    private static Outcome plan(String... more) {
        List<String> line = new ArrayList<>(List.of("plan", "--model", Cli.DOCS_LM, "--type", "Q4_K_M"));
        line.addAll(List.of(more));
        return Cli.run(line.toArray(String[]::new));
    }

    private static JsonNode cost(String... more) throws IOException {
        List<String> line = new ArrayList<>(List.of("--json"));
        line.addAll(List.of(more));
        Outcome outcome = plan(line.toArray(String[]::new));
        assertEquals(0, outcome.code(), outcome.err());
        return new ObjectMapper().readTree(outcome.out()).get("cost");
    }

    @Test
    void bytesOfThePlainStagesFollowFromTheFiles() throws IOException {
        JsonNode plan = new ObjectMapper().readTree(plan("--json").out());
        JsonNode stages = plan.at("/cost/stages");
        assertEquals(plan.get("sourceBytes"), stages.at("/0/readBytes"));
        assertEquals(plan.at("/cost/workBytes"), stages.at("/0/writtenBytes"));
        assertEquals(plan.get("units"), stages.at("/0/tasks"));
        assertEquals(plan.get("peakUnitMemory"), stages.at("/0/memory"));
        assertEquals(
                plan.at("/fileBytes").longValue(), stages.at("/1/writtenBytes").longValue(), 1);
        assertEquals(plan.at("/cost/workBytes"), stages.at("/2/readBytes"));
        assertFalse(plan.get("cost").has("cluster"));
        double sum = 0;
        for (JsonNode stage : stages) {
            sum += stage.get("coreSeconds").doubleValue();
        }
        assertEquals(sum, plan.at("/cost/coreSeconds").doubleValue(), 0.01);
    }

    /** On a local or mounted disk units are written where they belong; elsewhere each is a part first. */
    @Test
    void unitsOnALocalDiskAreWrittenOnce(@TempDir Path folder) throws IOException {
        JsonNode parts = cost();
        JsonNode inPlace = cost("--output", folder.resolve("out.gguf").toString());
        assertEquals(List.of("quantize", "assemble", "validate"), kinds(parts));
        assertEquals(List.of("quantize", "validate"), kinds(inPlace));
        assertEquals(0, inPlace.get("workBytes").longValue());
        assertEquals(parts.at("/stages/0"), inPlace.at("/stages/0"));
    }

    private static List<String> kinds(JsonNode cost) {
        return cost.get("stages").findValuesAsText("kind");
    }

    @Test
    void moreCoresAndFasterStorageTakeLessTime() throws IOException {
        double slow = cost("--executors", "1").at("/cluster/seconds").doubleValue();
        double wide = cost("--executors", "4", "--executor-cores", "2")
                .at("/cluster/seconds")
                .doubleValue();
        double fast = cost("--executors", "1", "--task-bandwidth", "1g")
                .at("/cluster/seconds")
                .doubleValue();
        assertTrue(wide < slow && fast < slow, slow + " s, on eight cores " + wide + " s, with fast storage " + fast);
    }

    @Test
    void fewerTasksThanCoresRunAtOnceWhereMemoryIsShort() throws IOException {
        JsonNode roomy = cost("--executor-cores", "8", "--executor-memory", "8g", "--calibration", TEXT);
        JsonNode tight = cost("--executor-cores", "8", "--executor-memory", "512m", "--calibration", TEXT);
        for (int i = 0; i < roomy.get("stages").size(); i++) {
            assertEquals(
                    8,
                    roomy.at("/stages/" + i + "/atOnce").intValue(),
                    roomy.at("/stages/" + i).toString());
        }
        long memory = tight.at("/stages/2/memory").longValue();
        int atOnce = tight.at("/stages/2/atOnce").intValue();
        assertTrue(atOnce < 8 && atOnce * memory <= 3L << 27, atOnce + " tasks of " + memory);
    }

    @ParameterizedTest
    @CsvSource({"executor, executors", "driver, a driver"})
    void aClusterThatIsTooSmallIsRefusedWithWhatWouldDo(String which, String told) throws IOException {
        String option = "--" + which + "-memory";
        Outcome refused = plan(option, "2m");
        assertEquals(3, refused.code(), refused.err());
        String start = "Cannot run on " + told + " of 2 MiB: ";
        assertTrue(refused.reason().startsWith(start), refused.reason());
        assertEquals(which.equals("executor"), refused.reason().endsWith(", or a smaller --unit-memory"));
        String enough = refused.reason().replaceFirst(".*; use " + option + " (\\d+m) or more.*", "$1");
        assertEquals(0, plan(option, enough).code(), "with " + enough);
    }

    @ParameterizedTest
    @CsvSource({"--executors 0", "--executor-cores -1"})
    void noClusterIsRefused(String options) {
        Outcome outcome = plan(options.split(" "));
        assertEquals(2, outcome.code());
        assertTrue(outcome.reason().endsWith("all must be at least 1"), outcome.reason());
    }
}
