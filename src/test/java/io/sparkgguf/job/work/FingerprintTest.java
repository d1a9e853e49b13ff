package io.sparkgguf.job.work;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

/** Runs are told apart by what decides their result. */
class FingerprintTest {
    private record Inner(int size, String name) {}

    private record Outer(boolean flag, Inner inner, List<String> list) {}

    private static Fingerprint of(Object type, Object model) {
        return new Fingerprint.Builder().add("type", type).add("model", model).build();
    }

    @Test
    void isReadBackFromItsText() {
        Fingerprint fingerprint = of("Q4_K_M", "C:\\a: b\nc\r");
        assertEquals("type: Q4_K_M\nmodel: C:\\\\a: b\\nc\\r\n", fingerprint.text());
        assertEquals(fingerprint, Fingerprint.parse(fingerprint.text()));
        assertEquals(fingerprint.id(), Fingerprint.parse(fingerprint.text()).id());
        assertTrue(fingerprint.id().matches("[0-9a-f]{16}"), fingerprint.id());
    }

    @Test
    void everyComponentCounts() {
        Fingerprint one = of("Q4_0", "a");
        for (Fingerprint other : List.of(of("Q4_1", "a"), of("Q4_0", "b"), of("Q4_0", null))) {
            assertNotEquals(one, other);
            assertNotEquals(one.id(), other.id());
        }
        assertEquals(one.id(), of("Q4_0", "a").id());
    }

    @Test
    void saysWhatDiffers() {
        Fingerprint then = new Fingerprint.Builder()
                .add("type", 1)
                .add("gone", 2)
                .add("same", 3)
                .build();
        Fingerprint now = new Fingerprint.Builder()
                .add("type", 9)
                .add("new", 4)
                .add("same", 3)
                .build();
        assertEquals(List.of("type is 9, was 1", "new is 4, was not there", "gone was 2"), now.differences(then));
        assertEquals(List.of(), now.differences(now));
        assertEquals(
                now.text().lines().count() + 1,
                now.differences(Fingerprint.parse("rubbish")).size());
    }

    @Test
    void takesRecordsApart() {
        Fingerprint fingerprint = new Fingerprint.Builder()
                .addAll("calibration", new Outer(true, new Inner(5, null), List.of("a", "b")))
                .build();
        assertEquals(
                "calibration.flag: true\ncalibration.inner.size: 5\ncalibration.inner.name: null\n"
                        + "calibration.list: [a, b]\n",
                fingerprint.text());
    }

    @Test
    void namesAreUniqueAndPlain() {
        Fingerprint.Builder builder = new Fingerprint.Builder().add("a", 1);
        assertThrows(IllegalArgumentException.class, () -> builder.add("a", 2));
        assertThrows(IllegalArgumentException.class, () -> builder.add("a: b", 2));
        assertThrows(IllegalArgumentException.class, () -> builder.add("", 2));
    }
}
