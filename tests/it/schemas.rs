//! The committed schemas of what programs read are those of this version. `UPDATE_SCHEMAS=1 cargo test schemas` writes them.

use reconcile::render::json;

#[test]
fn committed_schemas_are_current() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    let schemas = [
        ("plan", json::plan_schema()),
        ("status", json::status_schema()),
        ("event", json::event_schema()),
        ("error", json::error_schema()),
    ];
    for (name, schema) in schemas {
        let path = folder.join(format!("{name}.schema.json"));
        let current = json::pretty(&schema);
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            std::fs::write(&path, &current).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), current, "{}", path.display());
    }
}
