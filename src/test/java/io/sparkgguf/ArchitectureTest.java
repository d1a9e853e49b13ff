package io.sparkgguf;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.importer.ImportOption.DoNotIncludeTests;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import com.tngtech.archunit.lang.syntax.ArchRuleDefinition;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/** The directions of the house: who may know whom, and which library may be used where. */
@AnalyzeClasses(packages = "io.sparkgguf", importOptions = DoNotIncludeTests.class)
class ArchitectureTest {
    private static final String ROOT = "io.sparkgguf.";

    /** A room and the rooms it may look into; what those may see, it may see too. Sub-packages count as their room. */
    private static final Map<String, Set<String>> DOORS = Map.ofEntries(
            Map.entry("tensor", Set.of()),
            Map.entry("kernel", Set.of("tensor")),
            Map.entry("linalg", Set.of("kernel")),
            Map.entry("storage", Set.of("tensor")),
            Map.entry("format.gguf", Set.of("storage")),
            Map.entry("format.safetensors", Set.of("storage")),
            Map.entry("format.imatrix", Set.of("storage", "format.gguf")),
            Map.entry("quant", Set.of("linalg", "kernel")),
            Map.entry("model", Set.of("linalg", "storage")),
            Map.entry("gptq", Set.of("linalg", "quant")),
            Map.entry("qat", Set.of("linalg", "quant", "model")),
            Map.entry("calibrate", Set.of("gptq", "qat", "model", "format.safetensors")),
            Map.entry("plan", Set.of("model", "quant", "format.gguf", "format.imatrix")),
            Map.entry("assemble", Set.of("storage")),
            Map.entry("validate", Set.of("model", "quant", "format.gguf", "storage")),
            Map.entry("evaluate", Set.of("kernel")),
            Map.entry("report", Set.of("tensor")),
            Map.entry(
                    "job",
                    Set.of("calibrate", "plan", "assemble", "validate", "evaluate", "report", "format.safetensors")),
            Map.entry("cli", Set.of("job")));

    @ArchTest
    static final ArchRule ROOMS_LOOK_ONE_WAY = ArchRuleDefinition.classes()
            .should(new ArchCondition<JavaClass>("know only the rooms below their own") {
                @Override
                public void check(JavaClass origin, ConditionEvents events) {
                    String room = room(origin.getPackageName());
                    if (room == null) {
                        events.add(SimpleConditionEvent.violated(origin, origin.getName() + " lives in no known room"));
                        return;
                    }
                    Set<String> visible = visible(room);
                    origin.getDirectDependenciesFromSelf().forEach(dependency -> {
                        JavaClass target = dependency.getTargetClass();
                        if (target.getPackageName().startsWith(ROOT)
                                && !visible.contains(room(target.getPackageName()))) {
                            events.add(SimpleConditionEvent.violated(origin, dependency.getDescription()));
                        }
                    });
                }
            });

    @ArchTest
    static final ArchRule VECTORS_STAY_IN_KERNEL = only("jdk.incubator.vector..", "io.sparkgguf.kernel..");

    /** A second width of float vectors in a process made matrix products fifty times slower on JDK 17: see Lanes. */
    @ArchTest
    static final ArchRule FLOAT_VECTORS_HAVE_ONE_WIDTH = noClasses()
            .that()
            .doNotHaveFullyQualifiedName("io.sparkgguf.kernel.Lanes")
            .should()
            .accessFieldWhere(DescribedPredicate.describe(
                    "is a species of FloatVector",
                    access -> access.getTarget().getOwner().getName().equals("jdk.incubator.vector.FloatVector")
                            && access.getTarget().getName().startsWith("SPECIES")));

    @ArchTest
    static final ArchRule SPARK_STAYS_IN_JOB = only("org.apache.spark..", "io.sparkgguf.job..");

    @ArchTest
    static final ArchRule HADOOP_STAYS_AT_THE_EDGE =
            only("org.apache.hadoop..", "io.sparkgguf.storage.hadoop..", "io.sparkgguf.job..");

    @ArchTest
    static final ArchRule ONLY_CLI_EXITS = noClasses()
            .that()
            .resideOutsideOfPackage("io.sparkgguf.cli..")
            .should()
            .callMethod(System.class, "exit", int.class)
            .orShould()
            .callMethod(System.class, "getenv", String.class)
            .orShould()
            .callMethod(System.class, "getenv")
            .orShould()
            .accessField(System.class, "out")
            .orShould()
            .accessField(System.class, "err");

    private static ArchRule only(String library, String... rooms) {
        return noClasses()
                .that()
                .resideOutsideOfPackages(rooms)
                .should()
                .dependOnClassesThat()
                .resideInAPackage(library);
    }

    private static String room(String packageName) {
        String best = null;
        for (String room : DOORS.keySet()) {
            String full = ROOT + room;
            if ((packageName.equals(full) || packageName.startsWith(full + "."))
                    && (best == null || room.length() > best.length())) {
                best = room;
            }
        }
        return best;
    }

    private static Set<String> visible(String room) {
        Set<String> seen = new HashSet<>();
        Deque<String> open = new ArrayDeque<>(Set.of(room));
        while (!open.isEmpty()) {
            String next = open.pop();
            if (seen.add(next)) {
                open.addAll(DOORS.get(next));
            }
        }
        return seen;
    }
}
