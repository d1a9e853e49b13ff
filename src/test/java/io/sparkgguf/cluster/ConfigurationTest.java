package io.sparkgguf.cluster;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.logging.log4j.core.LoggerContext;
import org.apache.logging.log4j.core.config.Configuration;
import org.apache.logging.log4j.core.config.ConfigurationFactory;
import org.apache.spark.internal.config.ConfigEntry;
import org.apache.spark.network.util.MapConfigProvider;
import org.apache.spark.network.util.TransportConf;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The templates of {@code conf/}: settings that this Spark knows, with values that it takes, switched on or off. */
class ConfigurationTest {
    private static final Path CONF = Path.of("conf");

    /** Settings whose names are made up by whoever sets them. */
    private static final Pattern FREE = Pattern.compile("spark\\.metrics\\.conf\\..*|spark\\.executorEnv\\..*"
            + "|spark\\.yarn\\.appMasterEnv\\..*|spark\\.kubernetes\\.(driver|executor)\\.(volumes|secretKeyRef)\\..*"
            + "|spark\\.network\\.crypto\\.cipher"); // the last is known below Spark's registry, see TransportConf

    private static final List<String> SPARK =
            List.of("package", "UI", "Network", "Status", "Deploy", "Worker", "History");

    private static boolean managersKnown;

    static List<Path> templates() throws IOException {
        try (Stream<Path> files = Files.list(CONF)) {
            return files.filter(file -> file.getFileName().toString().endsWith(".conf"))
                    .sorted()
                    .toList();
        }
    }

    /** Makes Spark's settings known, and those of YARN and Kubernetes where there is a distribution that has them. */
    @BeforeAll
    static void learnSettings() throws Exception {
        for (String group : SPARK) {
            Class.forName("org.apache.spark.internal.config." + group + "$");
        }
        List<URL> jars = new ArrayList<>();
        for (Path jar : Distribution.extras()) {
            jars.add(jar.toUri().toURL());
        }
        managersKnown = !jars.isEmpty();
        ClassLoader before = Thread.currentThread().getContextClassLoader();
        try (URLClassLoader loader = new URLClassLoader(jars.toArray(URL[]::new), before)) {
            Thread.currentThread().setContextClassLoader(loader);
            if (managersKnown) {
                Class.forName("org.apache.spark.deploy.yarn.config.package$", true, loader);
                Class.forName("org.apache.spark.deploy.k8s.Config$", true, loader);
            }
        } finally {
            Thread.currentThread().setContextClassLoader(before);
        }
    }

    @ParameterizedTest
    @MethodSource("templates")
    void sparkKnowsEverySetting(Path template) throws IOException {
        Map<String, String> settings = Templates.settings(template);
        assertFalse(settings.isEmpty());
        settings.forEach((key, value) -> {
            boolean elsewhere = key.matches("spark\\.(yarn|kubernetes)\\..*") && !managersKnown;
            if (!elsewhere && !FREE.matcher(key).matches()) {
                ConfigEntry<?> entry = ConfigEntry.findEntry(key);
                assertNotNull(entry, key);
                assertNotNull(entry.valueConverter().apply(value), key); // throws when it cannot be understood
            }
        });
    }

    @ParameterizedTest
    @ValueSource(strings = {"standalone.conf", "yarn.conf", "kubernetes.conf"})
    void eachClusterIsTakenCareOf(String name) throws IOException {
        Map<String, String> settings = Templates.settings(CONF.resolve(name));
        assertTrue(settings.get("spark.driver.extraJavaOptions").contains("jdk.incubator.vector"));
        assertTrue(settings.get("spark.executor.extraJavaOptions").contains("jdk.incubator.vector"));
        for (String safety : List.of(
                "spark.authenticate",
                "spark.network.crypto.enabled",
                "spark.io.encryption.enabled",
                "spark.speculation")) {
            assertEquals("true", settings.get(safety), safety);
        }
        assertEquals(
                "AES/GCM/NoPadding",
                new TransportConf("rpc", new MapConfigProvider(settings)).cipherTransformation(),
                "ciphers with authentication");
        Pattern redacted = Pattern.compile(settings.get("spark.redaction.regex"));
        for (String secret : List.of(
                "spark.authenticate.secret",
                "spark.hadoop.fs.s3a.access.key",
                "spark.hadoop.fs.s3a.secret.key",
                "spark.hadoop.fs.s3a.session.token",
                "spark.ssl.keyStorePassword")) {
            assertTrue(redacted.matcher(secret).find(), secret);
        }
        for (String open : List.of("spark.executor.memory", "spark.driver.host")) {
            assertFalse(redacted.matcher(open).find(), open);
        }
    }

    @Test
    void thePodTemplateIsAPodOfOneContainer() throws IOException {
        JsonNode pod = new ObjectMapper(new YAMLFactory())
                .readTree(CONF.resolve("kubernetes-pod.yaml").toFile());
        assertEquals("Pod", pod.get("kind").asText());
        assertEquals("v1", pod.get("apiVersion").asText());
        assertEquals(1, pod.at("/spec/containers").size());
        assertFalse(pod.at("/spec/containers/0/securityContext/allowPrivilegeEscalation")
                .asBoolean(true));
        // Spark takes a volume of this name for its scratch space: see spark.kubernetes.local.dirs in its documentation
        assertTrue(pod.at("/spec/volumes/0/name").asText().startsWith("spark-local-dir-"));
        assertEquals(pod.at("/spec/volumes/0/name"), pod.at("/spec/containers/0/volumeMounts/0/name"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"log4j2.properties", "log4j2-cluster.properties"})
    void loggingIsUnderstood(String name) {
        Configuration logging = ConfigurationFactory.getInstance()
                .getConfiguration(
                        new LoggerContext("test"), "test", CONF.resolve(name).toUri());
        logging.initialize();
        assertNotNull(logging.getAppender("stderr"));
        assertNotNull(logging.getAppender("stderr").getLayout());
        assertEquals(Set.of("stderr"), logging.getRootLogger().getAppenders().keySet());
    }
}
